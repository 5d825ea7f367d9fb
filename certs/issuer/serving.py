"""One process serves an issuer's folder: two would each count limits and lead rotations on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from certs.issuer.store import StateUnusable


@contextmanager
def sole_server(folder: Path) -> Iterator[None]:
    """Be the one that serves the folder, within the block. The lock is on the folder itself, and
    ends with the process.

    Raises:
        StateUnusable: another process serves it, or it can't be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StateUnusable(
            f"{folder} can't be opened: {(error.strerror or '').lower()}",
            hint="run 'devwiz-gw issuer init' for this folder first",
        ) from error
    try:
        # A file system may have no such locks.
        with suppress(OSError):
            _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateUnusable(
            f"another process serves {folder} already",
            hint="stop it first; one issuer may have several names, but one process",
        ) from None
