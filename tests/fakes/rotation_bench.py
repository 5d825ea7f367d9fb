"""A rotation of the test's own, with a source and a clock that do as they are told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from certs.generation import Generation
from certs.renewal import IdentityState
from certs.rotation import Rotation
from tests.fakes.clock import START, FakeClock, settle
from tests.fakes.identity_source import FakeSource, Reply

HOUR = timedelta(hours=1)
HALF_LIFE_S = 1800.0


class Draws(random.Random):
    """The same draw each time."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self._value = value

    def random(self) -> float:
        return self._value


class Bench:
    """A rotation, its source and clock, and what was published."""

    def __init__(self, *replies: Reply, draw: float = 0.0, life: timedelta = HOUR) -> None:
        self.clock = FakeClock()
        self.source = FakeSource(self.clock, *replies, life=life)
        self.published: list[Generation] = []
        self.rotation = Rotation(
            self.source, clock=self.clock, rng=Draws(draw), publish=self.published.append
        )

    @property
    def asked(self) -> int:
        return len(self.source.asked_at)

    @property
    def asked_after_s(self) -> list[float]:
        return [(at - START).total_seconds() for at in self.source.asked_at]

    @property
    def state(self) -> IdentityState:
        return self.rotation.state.state


@asynccontextmanager
async def running(
    *replies: Reply, draw: float = 0.0, life: timedelta = HOUR
) -> AsyncIterator[Bench]:
    bench = Bench(*replies, draw=draw, life=life)
    task = asyncio.create_task(bench.rotation.run())
    await settle()
    try:
        yield bench
        assert not task.done(), "the task must live on"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
