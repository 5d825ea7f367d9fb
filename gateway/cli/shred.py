"""Getting rid of a file that held secrets, as far as a program can."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_BLOCK: Final = 1024 * 1024

#: What no overwriting reaches; to be said whenever a file was shredded.
LIMITS: Final = (
    "older copies may be left: solid-state disks and copy-on-write file systems write elsewhere, "
    "and backups, snapshots, editors and version control keep their own; where that matters, "
    "replace the values themselves"
)


def shred(path: Path) -> None:
    """Overwrite the file once, cut it to nothing, and remove its name.

    Raises:
        OSError: it is not a plain file with this one name, or can't be written; it may be
            overwritten already, and is still there.
    """
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a plain file")
        if found.st_nlink != 1:
            raise OSError(0, "it has another name as well")
        for start in range(0, found.st_size, _BLOCK):
            os.pwrite(fd, os.urandom(min(_BLOCK, found.st_size - start)), start)
        os.fsync(fd)
        os.ftruncate(fd, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    path.unlink()
