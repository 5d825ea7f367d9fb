"""Time for a rehearsal: it stands still while something works, and jumps to the next thing to do
when nothing does.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# What was woken or finished its work leaves its old wait within fewer turns of the loop.
_TURNS: Final = 15
# No honest task takes so many to its next one.
_MOST_TURNS: Final = 10_000


@dataclass(slots=True, eq=False)
class _Sleeper:
    due_s: float
    machine: Machine
    future: asyncio.Future[None]


class Timeline:
    """The true time, and the machines that live in it. One task lets time pass."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._passed_s = 0.0
        self._sleepers: list[tuple[float, int, _Sleeper]] = []
        self._order = itertools.count()
        self._inhabited: list[Machine] = []
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def now(self) -> datetime:
        """The true time."""
        return self._start + timedelta(seconds=self._passed_s)

    @property
    def passed_s(self) -> float:
        """The true time since the start."""
        return self._passed_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """Time stands still meanwhile: what happens in the block takes real time, and none here."""
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its time, until all tasks wait again."""
        end_s = self._passed_s + seconds
        await self.rest()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, sleeper = heapq.heappop(self._sleepers)
            if sleeper.future.done():
                continue
            self._passed_s = max(self._passed_s, due_s)
            sleeper.future.set_result(None)
            await self.rest()
        self._passed_s = end_s
        await self.rest()

    def inhabit(self, machine: Machine) -> None:
        """Something lives on `machine` from now on: whenever it doesn't work, it waits for time."""
        self._inhabited.append(machine)

    async def rest(self) -> None:
        """Let every task run until it waits for time to pass."""
        turns = 0
        while turns < _TURNS or not self._all_wait():
            if turns > _MOST_TURNS:
                raise RuntimeError("a task of the rehearsal has ended, or waits for something else")
            await asyncio.sleep(0)
            turns += 1
            if self._working:
                await self._idle.wait()
                turns = 0

    def _all_wait(self) -> bool:
        waiting = {sleeper.machine for _, _, sleeper in self._sleepers if not sleeper.future.done()}
        return waiting.issuperset(self._inhabited)

    async def suspend(self, machine: Machine, seconds: float) -> None:
        """Let time pass while `machine` sleeps: nothing runs there, and its waits, counted in
        running time, end later by as much.
        """
        await self.rest()
        self._sleepers = [
            (due_s + seconds if sleeper.machine is machine else due_s, order, sleeper)
            for due_s, order, sleeper in self._sleepers
            if not sleeper.future.done()
        ]
        heapq.heapify(self._sleepers)
        await self.advance(seconds)

    async def sleep_of(self, machine: Machine, seconds: float) -> None:
        """Wait until so much time has passed for `machine`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = _Sleeper(self._passed_s + max(0.0, seconds), machine, future)
        heapq.heappush(self._sleepers, (sleeper.due_s, next(self._order), sleeper))
        await future


class Machine:
    """A `BootClock`: one machine's. Its wall clock may be wrong by `error`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.error = timedelta(0)

    def now(self) -> datetime:
        """See `Clock`."""
        return self._timeline.now() + self.error

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await self._timeline.sleep_of(self, seconds)

    def boottime(self) -> float:
        """See `BootClock`."""
        return self._timeline.passed_s
