"""A lock that one process of the machine holds at a time, and that ends with it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from identity.errors import TokenUnavailable
from identity.lock_file import open_lock_file

_LOOK_AGAIN_S: Final = 0.05


@asynccontextmanager
async def machine_lock(path: Path, *, timeout_s: float) -> AsyncIterator[None]:
    """Hold the lock that the file at `path` stands for; it is made, and stays.

    Raises:
        TokenUnavailable: another process holds it for too long, or it can't be made.
    """
    descriptor = await _take(path, time.monotonic() + timeout_s)
    try:
        yield
    finally:
        os.close(descriptor)


async def _take(path: Path, deadline: float) -> int:
    try:
        descriptor = open_lock_file(path)
    except OSError as error:
        raise TokenUnavailable(
            f"the lock {path} can't be made: {(error.strerror or '').lower()}",
            hint="check the folder's mode, or set XDG_STATE_HOME to one that can be written to",
        ) from error
    try:
        await _wait(descriptor, path, deadline)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


async def _wait(descriptor: int, path: Path, deadline: float) -> None:
    while not _is_ours(descriptor):
        if time.monotonic() > deadline:
            raise TokenUnavailable(
                "another process holds the session for too long", hint=f"see who has {path} open"
            )
        await asyncio.sleep(_LOOK_AGAIN_S)


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
