"""Requests that wait for the next version of the bundle."""

from __future__ import annotations

import asyncio
from typing import Final

#: More requests than this don't wait: they are answered at once, and their senders ask again later.
MAX_WAITING: Final = 256
#: Below the life of a connection, and of most idle limits on the way.
MAX_WAIT_S: Final = 20.0


class News:
    """The newest sequence, and those who wait for a newer one. Used on one event loop."""

    def __init__(self, *, most: int = MAX_WAITING) -> None:
        self._most = most
        self._waiting = 0
        self._sequence: int | None = None
        self._is_closed = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"News({self._sequence}, {self._waiting} waiting)"

    def publish(self, sequence: int) -> None:
        """Wake everybody if this is another sequence than before."""
        if sequence != self._sequence:
            self._sequence = sequence
            self._wake()

    async def wait(self, known: int, timeout_s: float) -> None:
        """Return when the sequence is another one than `known`, after the timeout, or at once when
        too many wait already. One that is higher than ours is another one, too: the issuer was
        restored from a backup, and its clients must know.
        """
        if self._waiting >= self._most:
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(min(timeout_s, MAX_WAIT_S)):
                while not self._is_closed and self._sequence in {None, known}:
                    await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let everybody go, now and from now on."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
