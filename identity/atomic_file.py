"""Files that are there whole or not at all, with the right mode from their first moment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Create `path` as `write_atomic` does, and replace nothing.

    Raises:
        FileExistsError: something is there, be it a link that leads nowhere.
        OSError: it can't be written.
    """
    fd = os.open(path, _CREATE, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes, mode: int) -> None:
    """Create or replace `path`. A reader, or a machine that loses power, finds the old content or
    the new one, complete; the mode is exactly `mode`, whatever the umask or an older file had. A
    link at `path` is replaced, not followed. Blocks until the disk has it.

    Raises:
        OSError: nothing has changed, and no temporary file is left.
    """
    _put(path, data, mode, lambda temporary: temporary.replace(path))


def create_atomic(path: Path, data: bytes, mode: int) -> None:
    """Create `path` as `write_atomic` does, and replace nothing. On file systems without hard links
    a machine that loses power may leave a part of it.

    Raises:
        FileExistsError: something is there, be it a link that leads nowhere.
        OSError: nothing has changed, and no temporary file is left.
    """

    def link(temporary: Path) -> None:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            write_new(path, data, mode)
        temporary.unlink()

    _put(path, data, mode, link)


def _put(path: Path, data: bytes, mode: int, place: Callable[[Path], object]) -> None:
    """Let `place` bring a finished file to `path`, whose folder then keeps it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, _CREATE, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(fd, mode)  # The umask may have taken bits away.
            file.write(data)
            file.flush()
            os.fsync(fd)
        place(temporary)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in it last: without it a crash may bring an old file back."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
