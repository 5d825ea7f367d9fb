"""The chain, over scripted sources."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from certs.errors import (
    CertsError,
    IdentityWithdrawn,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.generation import Generation
from certs.sources.chain import ChainSource
from tests.fakes.clock import START, FakeClock
from tests.fakes.identity_source import FakeSource, Reply, identity
from tests.fakes.issuer import generation_of

AWAY = SourceUnavailable("away")


class Bench:
    """A chain of the sources `first` and `second`."""

    def __init__(self, first: list[Reply], second: list[Reply] | None = None) -> None:
        self.clock = FakeClock()
        self.first = named("first", FakeSource(self.clock, *first))
        self.second = named("second", FakeSource(self.clock, *(second or [])))
        self.chain = ChainSource([self.first, self.second], clock=self.clock)

    async def obtain(self, current: Generation | None = None) -> Generation:
        """As the rotation would publish it."""
        return replace(generation_of(await self.chain.obtain(current)), source=self.chain.name)

    async def failing(self, current: Generation | None = None) -> CertsError:
        with pytest.raises(CertsError) as caught:
            await self.chain.obtain(current)
        return caught.value

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.first.asked_at), len(self.second.asked_at)


def named(name: str, source: FakeSource) -> FakeSource:
    source.name = name
    return source


async def test_the_first_is_asked_and_no_other() -> None:
    bench = Bench([])
    assert (await bench.obtain()).source == "first"
    assert bench.asked == (1, 0)


@pytest.mark.parametrize("fault", [AWAY, SourceDenied("revoked"), ReplyRejected("for another key")])
async def test_the_next_one_stands_in(fault: CertsError, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench([fault])
    with caplog.at_level(logging.WARNING):
        assert (await bench.obtain()).source == "second"
    assert f"the identity now comes from second (first: {fault})" in caplog.text


async def test_a_defect_in_one_is_no_reason_not_to_ask_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench([UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "invalid")])
    assert (await bench.obtain()).source == "second"
    assert "first: the source failed unexpectedly: UnicodeDecodeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_one_that_failed_is_passed_over_for_a_while() -> None:
    bench = Bench([AWAY])
    await bench.obtain()
    await bench.obtain()
    assert bench.asked == (1, 2)
    await bench.clock.jump(31)
    assert (await bench.obtain()).source == "first"
    assert bench.asked == (2, 2)


async def test_when_nothing_else_is_left_it_is_asked_all_the_same() -> None:
    bench = Bench([AWAY], [AWAY])
    await bench.failing()
    assert (await bench.obtain()).source == "first"
    bench = Bench([AWAY], [identity(START, START + timedelta(hours=1)), AWAY])
    await bench.obtain()
    assert (await bench.obtain()).source == "first"


async def test_each_one_renews_what_came_from_itself() -> None:
    hour = timedelta(hours=1)
    bench = Bench([hour, AWAY])
    one = await bench.obtain()
    two = await bench.obtain(one)
    assert two.source == "second"
    assert bench.second.currents == [None]
    await bench.clock.jump(120)
    await bench.obtain(two)
    assert bench.first.currents == [None, one, one]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (SourceDenied("a"), AWAY, SourceUnavailable),
        (ReplyRejected("a"), AWAY, SourceUnavailable),
        (SourceDenied("a"), SourceDenied("b"), SourceDenied),
        (SourceDenied("a"), ReplyRejected("b"), ReplyRejected),
        (IdentityWithdrawn("a"), SourceDenied("b"), SourceDenied),
    ],
)
async def test_one_error_tells_of_all(
    first: CertsError, second: CertsError, kind: type[CertsError]
) -> None:
    error = await Bench([first], [second]).failing()
    assert type(error) is kind
    assert str(error) == f"first: {first}; second: {second}"


async def test_the_shortest_wait_counts_where_all_asked_for_one() -> None:
    long, short = (SourceUnavailable("busy", retry_after_s=wait) for wait in (90, 20))
    error = await Bench([long], [short]).failing()
    assert isinstance(error, SourceUnavailable)
    assert error.retry_after_s == 20
    error = await Bench([long], [AWAY]).failing()
    assert isinstance(error, SourceUnavailable)
    assert error.retry_after_s is None


async def test_only_the_source_in_use_can_withdraw() -> None:
    hour = timedelta(hours=1)
    bench = Bench([hour, IdentityWithdrawn("gone")], [AWAY])
    current = await bench.obtain()
    assert isinstance(await bench.failing(current), IdentityWithdrawn)
    bench = Bench([AWAY, IdentityWithdrawn("gone")], [hour, AWAY])
    current = await bench.obtain()
    assert not isinstance(await bench.failing(current), IdentityWithdrawn)


async def test_a_withdrawn_identity_is_replaced_by_the_next_sources() -> None:
    bench = Bench([timedelta(hours=1), IdentityWithdrawn("gone")])
    current = await bench.obtain()
    assert (await bench.obtain(current)).source == "second"


async def test_news_of_a_better_source_count_and_close_its_breaker() -> None:
    bench = Bench([AWAY])
    await bench.obtain()
    watch = asyncio.ensure_future(bench.chain.changed())
    await asyncio.sleep(0)
    bench.first.push()
    await watch
    assert (await bench.obtain()).source == "first"


async def test_news_of_a_lesser_source_do_not_count() -> None:
    bench = Bench([])
    await bench.obtain()
    watch = asyncio.ensure_future(bench.chain.changed())
    await asyncio.sleep(0)
    bench.second.push()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not watch.done()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def test_a_watch_that_fails_does_not_end_the_others() -> None:
    bench = Bench([AWAY])
    await bench.obtain()
    bench.first.watch_fault = SourceDenied("not a Workload API")
    watch = asyncio.ensure_future(bench.chain.changed())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not watch.done()
    bench.second.push()
    await watch


async def test_all_are_closed() -> None:
    bench = Bench([])
    await bench.chain.close()
    assert bench.first.closed
    assert bench.second.closed
