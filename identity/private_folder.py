"""Folders that are nobody else's business."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder and those above that are missing, all for their owner alone, as the XDG Base
    Directory Specification ("Referencing this specification") has it. What is there stays as it is.

    Raises:
        OSError: it can't be made, or is no folder.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        # Another process may make it at the same time; what else is there is told below.
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
