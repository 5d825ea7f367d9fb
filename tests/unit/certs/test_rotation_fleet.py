"""Two hundred gateways whose certificates end at the same moment: what their issuer sees of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from certs.errors import SourceUnavailable
from certs.renewal import IdentityState
from certs.rotation import Rotation
from tests.fakes.clock import START, FakeClock, settle
from tests.fakes.identity_source import FakeSource

FLEET = 200
LIFE_S = 600


class Fleet:
    """Gateways that all started at `START`, with an issuer that may be away."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sources = [
            FakeSource(self.clock, life=timedelta(seconds=LIFE_S)) for _ in range(FLEET)
        ]
        self.rotations = [
            Rotation(source, clock=self.clock, rng=random.Random(number), publish=lambda _: None)
            for number, source in enumerate(self.sources)
        ]

    def fail(self, error: SourceUnavailable) -> None:
        for source in self.sources:
            source.replies[:] = [error] * 500

    def mend(self) -> None:
        for source in self.sources:
            source.replies.clear()

    @property
    def states(self) -> set[IdentityState]:
        return {rotation.state.state for rotation in self.rotations}

    def busiest(self, since: datetime, window_s: float) -> int:
        """The most attempts in any window of that length after `since`."""
        windows = Counter(
            int((at - START).total_seconds() // window_s)
            for source in self.sources
            for at in source.asked_at
            if at > since
        )
        return max(windows.values(), default=0)


@asynccontextmanager
async def fleet() -> AsyncIterator[Fleet]:
    made = Fleet()
    tasks = [asyncio.create_task(rotation.run()) for rotation in made.rotations]
    await settle()
    assert made.states == {IdentityState.VALID}
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_renewals_of_one_end_are_spread_over_a_tenth_of_the_life() -> None:
    async with fleet() as made:
        await made.clock.advance(LIFE_S * 0.6 + 1)
        assert all(len(source.asked_at) == 2 for source in made.sources)
        # 200 in 60 s, at random.
        assert made.busiest(START, 10) <= 60
        assert made.busiest(START, 1) <= 12


async def test_after_an_outage_they_dont_come_at_once() -> None:
    async with fleet() as made:
        made.fail(SourceUnavailable("down"))
        await made.clock.advance(LIFE_S * 0.6 + 30)
        made.mend()
        back = made.clock.now()
        await made.clock.advance(61)
        assert made.states == {IdentityState.VALID}
        # Each at a moment of its own, although the end is near and all of them hurry.
        assert made.busiest(back, 1) <= FLEET / 5


async def test_all_of_them_keep_to_the_wait_that_the_issuer_asks_for() -> None:
    async with fleet() as made:
        made.fail(SourceUnavailable("busy", retry_after_s=60))
        await made.clock.advance(LIFE_S * 0.6 + 130)
        for source in made.sources:
            gaps = [
                after - before
                for before, after in zip(source.asked_at[1:], source.asked_at[2:], strict=False)
            ]
            assert all(gap >= timedelta(seconds=60) for gap in gaps)


@pytest.mark.parametrize("wishes", [1, 50])
async def test_many_requests_of_one_gateway_are_one_attempt(wishes: int) -> None:
    async with fleet() as made:
        await made.clock.suspend(9 * LIFE_S)
        for rotation in made.rotations:
            for _ in range(wishes):
                rotation.refresh("a request finds the certificate expired")
        await settle()
        await made.clock.advance(5)
        assert {len(source.asked_at) for source in made.sources} == {2}
        assert made.states == {IdentityState.VALID}
