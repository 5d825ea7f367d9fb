"""Outages between a rotation and its source, and a source that lives in another time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from certs.errors import SourceDenied, SourceUnavailable
from certs.rehearsal.obstruction import ObstructedSource, ShiftedSource
from certs.rehearsal.timeline import Machine, Timeline
from tests.fakes.clock import START, FakeClock
from tests.fakes.identity_source import FakeSource, Reply, identity
from tests.fakes.issuer import generation_of

HOUR = timedelta(hours=1)


class Bench:
    """An obstructed source over a scripted one, and seconds that go by tens."""

    def __init__(self, *replies: Reply, is_forgiving: bool = True) -> None:
        self.timeline = Timeline(START)
        self.machine = Machine(self.timeline)
        self.fake = FakeSource(self.machine, *replies)
        self.ticks = iter(range(0, 1000, 10))
        self.source = ObstructedSource(
            self.fake,
            self.timeline,
            self.machine,
            timer=lambda: float(next(self.ticks)),
            is_forgiving=is_forgiving,
        )


async def test_it_passes_on_and_measures() -> None:
    bench = Bench()
    given = await bench.source.obtain(None)
    assert given.not_after == START + HOUR
    assert bench.source.slowest_s == 10
    bench.fake.push()
    await bench.source.changed()
    await bench.source.close()
    assert bench.fake.closed
    assert bench.source.name == "fake"


async def test_an_outage_that_refuses_asks_nobody() -> None:
    bench = Bench()
    bench.source.outage = "refuses"
    with pytest.raises(SourceUnavailable, match="connections to fake are refused"):
        await bench.source.obtain(None)
    assert bench.fake.asked_at == []


async def test_an_outage_that_is_silent_lasts_until_the_sources_own_deadline() -> None:
    bench = Bench()
    bench.source.outage = "silent"
    asking = asyncio.create_task(bench.source.obtain(None))
    await bench.timeline.advance(9.9)
    assert not asking.done()
    await bench.timeline.advance(0.2)
    with pytest.raises(SourceUnavailable, match="fake didn't answer in 10 s"):
        await asking
    assert bench.fake.asked_at == []


async def test_an_issuer_that_failed_is_not_asked_again_at_the_rehearsals_pace() -> None:
    bench = Bench(SourceDenied("spent"), is_forgiving=False)
    for _ in range(5):
        with pytest.raises(SourceDenied, match="spent"):
            await bench.source.obtain(None)
    assert len(bench.fake.asked_at) == 1


async def test_one_that_is_embedded_is_asked_again() -> None:
    bench = Bench(SourceDenied("spent"))
    with pytest.raises(SourceDenied):
        await bench.source.obtain(None)
    assert (await bench.source.obtain(None)).not_after == START + HOUR


async def test_what_a_source_gives_is_dated_in_the_rehearsals_time_and_shown_to_it_in_its_own() -> (
    None
):
    real, rehearsed = FakeClock(), FakeClock(START + timedelta(days=3))
    wish = START + timedelta(minutes=20)
    fake = FakeSource(real, identity(START, START + HOUR, renew_after=wish), HOUR)
    source = ShiftedSource(fake, real=real, rehearsed=rehearsed)
    first = await source.obtain(None)
    ahead = timedelta(days=3)
    assert (first.not_before, first.not_after) == (START + ahead, START + HOUR + ahead)
    assert first.renew_after == wish + ahead

    await rehearsed.jump(1800)
    second = await source.obtain(generation_of(first))
    shown = fake.currents[1]
    assert shown is not None
    assert (shown.not_before, shown.not_after) == (START, START + HOUR)
    assert second.not_after == START + HOUR + ahead + timedelta(minutes=30)
    assert second.renew_after is None


async def test_the_same_certificate_keeps_its_dates() -> None:
    real, rehearsed = FakeClock(), FakeClock()
    same = identity(START, START + HOUR)
    source = ShiftedSource(FakeSource(real, same, same), real=real, rehearsed=rehearsed)
    first = await source.obtain(None)
    await rehearsed.jump(600)
    assert await source.obtain(generation_of(first)) == first
    await source.close()
