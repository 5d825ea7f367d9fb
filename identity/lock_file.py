"""Files that stand for locks."""

from __future__ import annotations

import os
from pathlib import Path

from identity.private_folder import make_private


def open_lock_file(path: Path) -> int:
    """A descriptor of the file at `path`, which is made, with its folders, and stays; it is never
    one that a link leads to. To be locked, and closed, by the caller.

    Raises:
        OSError: it can't be made, or is a link.
    """
    make_private(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)
