"""Moving a project's state, its journal above all, to another folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from gateway.audit.event import digest
from gateway.audit.files import CURRENT, all_files, has_line, lines_of
from identity.private_folder import make_private

_BEGINNING: Final = ".moving-"


def take_over(old: Path, new: Path) -> Path | None:
    """Have all of the folder `old` in `new` as well, which keeps its own journal only if that goes
    on from the old one. What else was in `new` is set aside; where, or None.

    Nothing happens where `old` has no journal. A copy that is cut short leaves `new` as it was.

    Raises:
        OSError: it can't be read or written.
    """
    last = _last_line(old / CURRENT)
    if last is None or has_line(new / CURRENT, digest(last)):
        return None
    make_private(new.parent)
    coming = new.with_name(f"{_BEGINNING}{new.name}.{os.getpid()}")
    shutil.copytree(old, coming, symlinks=True)
    aside = None
    if new.exists():
        aside = _free(new)
        new.rename(aside)
    coming.rename(new)
    return aside


def _last_line(current: Path) -> bytes | None:
    for path in reversed(all_files(current)):
        lines = list(lines_of(path))
        if lines:
            return lines[-1]
    return None


def _free(new: Path) -> Path:
    number = 1
    while (aside := new.with_name(f".aside-{new.name}.{number}")).exists():
        number += 1
    return aside
