"""Private folders of running programs, on a file system in memory where there is one.

A folder `run-NAME` lives as long as the process that holds the lock on `run-NAME.lock`; whoever
comes later removes what a killed one left behind.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError

_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class FolderUnsafe(GatewayError):
    """The place for private files is somebody else's or open to others."""


def base_folder(environ: Mapping[str, str]) -> Path:
    """Where run folders are: below `$XDG_RUNTIME_DIR`, else in memory, else with temporary files.

    Raises:
        FolderUnsafe: another user made it, or others may look into it.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if Path(runtime).is_absolute() and Path(runtime).is_dir():
        base = Path(runtime) / "devwiz-gw"
    else:
        memory = Path("/dev/shm")  # noqa: S108 - the folder below is private
        parent = memory if memory.is_dir() else Path(environ.get("TMPDIR") or "/tmp")  # noqa: S108
        base = parent / f"devwiz-gw-{os.getuid()}"
    with suppress(FileExistsError):
        base.mkdir(mode=0o700)
    found = base.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        raise FolderUnsafe(
            f"{base} is not a private folder of yours",
            hint="remove it, or ask whose it is; XDG_RUNTIME_DIR may name another place",
        )
    return base


@contextmanager
def run_folder(base: Path) -> Iterator[Path]:
    """A fresh folder, mode 0700, removed at the end of the block."""
    while True:
        lock = base / f"run-{secrets.token_hex(8)}.lock"
        fd = os.open(lock, _LOCK, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _is_at(fd, lock):
            break
        os.close(fd)  # a sweeper was quicker
    folder = lock.with_suffix("")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(lock)
        os.close(fd)


def sweep(base: Path) -> int:
    """Remove the folders whose process is gone; how many they were."""
    removed = 0
    for lock in base.glob("run-*.lock"):
        try:
            fd = os.open(lock, _LOCK & ~os.O_CREAT)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            removed += lock.with_suffix("").exists()
            _remove(lock)
        finally:
            os.close(fd)
    return removed


def sweep_own(environ: Mapping[str, str]) -> None:
    """Sweep where the user's run folders are; where nothing of ours can be, nothing is done."""
    with suppress(OSError, FolderUnsafe):
        sweep(base_folder(environ))


def _remove(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    with suppress(FileNotFoundError):
        lock.unlink()


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False
