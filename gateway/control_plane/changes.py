"""Changes of a gateway that runs: one after the other, and none that its end doesn't know of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from gateway.errors import StartFailed


class Changes:
    """Makes changes until the gateway stops.

    Attributes:
        turn: whoever makes a change holds it, from before it to when its outcome is on paper.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self.turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def make(self, change: Callable[[], Coroutine[None, None, None]]) -> None:
        """Make a change.

        Raises:
            StartFailed: the gateway stops.
            Fault: what the change raises.
        """
        self.refuse_when_stopping()
        self._task = asyncio.create_task(change())
        try:
            await self._task
        except asyncio.CancelledError:
            self.refuse_when_stopping()
            raise

    def refuse_when_stopping(self) -> None:
        """Raise `StartFailed` where the gateway stops: a change that goes on would be lost."""
        if self._stop.is_set():
            raise StartFailed("the gateway is stopping", hint="start it again instead")

    async def end(self, timeout_s: float) -> None:
        """Give up the change that goes on: from here on nobody may open a listener, or start a task
        that the gateway's end doesn't know.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=timeout_s)
