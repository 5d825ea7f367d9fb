"""A clock that moves when the test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """Wall clock, boot-time clock and running time of one machine.

    `advance` lets all pass; `suspend` both clocks alone, as a laptop does that sleeps; `jump` moves
    the wall clock alone, as somebody who sets the time does.
    """

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._running_s = 0.0
        self._suspended_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._wall

    def boottime(self) -> float:
        return self._running_s + self._suspended_s

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self._running_s + max(0.0, seconds), next(self._order), future)
        heapq.heappush(self._sleepers, entry)
        await future

    @property
    def longest_sleep_s(self) -> float:
        """How far away the last of the present sleepers is."""
        pending = [due for due, _, future in self._sleepers if not future.done()]
        return max(pending, default=self._running_s) - self._running_s

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its time, and let the tasks come to rest."""
        end_s = self._running_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, future = heapq.heappop(self._sleepers)
            self._move(due_s)
            if not future.done():
                future.set_result(None)
                await settle()
        self._move(end_s)
        await settle()

    async def jump(self, seconds: float) -> None:
        """Move the wall clock only."""
        self._wall += timedelta(seconds=seconds)
        await settle()

    async def suspend(self, seconds: float) -> None:
        """Sleep as a machine."""
        self._suspended_s += seconds
        await self.jump(seconds)

    def _move(self, to_s: float) -> None:
        self._wall += timedelta(seconds=to_s - self._running_s)
        self._running_s = to_s


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(25):
        await asyncio.sleep(0)
