"""The task that owns renewal: what it asks for, when, and what it publishes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from certs.errors import SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.renewal import IdentityState
from certs.rotation import Rotation
from tests.fakes.clock import settle
from tests.fakes.rotation_bench import HALF_LIFE_S, HOUR, Bench, Draws, running


async def test_first_identity_is_obtained_at_once_and_published() -> None:
    async with running() as bench:
        assert [generation.number for generation in bench.published] == [1]
        assert bench.published[0].source == "fake"
        assert bench.state is IdentityState.VALID
        assert bench.rotation.state.generation is bench.published[0]
        assert bench.rotation.state.reason == ""


@pytest.mark.parametrize(("draw", "at_s"), [(0.0, 1800.0), (0.5, 1980.0), (1.0, 2160.0)])
async def test_renews_at_its_point_and_not_before(draw: float, at_s: float) -> None:
    async with running(draw=draw) as bench:
        await bench.clock.advance(at_s - 0.01)
        assert bench.asked == 1
        await bench.clock.advance(0.02)
        assert bench.asked == 2
        assert [generation.number for generation in bench.published] == [1, 2]
        assert bench.source.currents == [None, bench.published[0]]


async def test_before_it_runs_it_waits() -> None:
    bench = Bench()
    assert bench.state is IdentityState.WAITING
    assert bench.rotation.state.reason == "no identity has been obtained yet"
    assert "waiting" in repr(bench.rotation)


async def test_wishes_make_one_renewal_and_keep_the_floor() -> None:
    async with running() as bench:
        await bench.clock.advance(10)
        for number in range(5):
            bench.rotation.refresh(f"wish {number}")
        await bench.clock.advance(25.9)  # 1 % of an hour is 36 s
        assert bench.asked == 1
        await bench.clock.advance(0.2)
        assert bench.asked == 2
        await bench.clock.advance(100)
        assert bench.asked == 2


async def test_wish_during_an_attempt_is_answered_by_it() -> None:
    async with running() as bench:
        bench.source.gate = asyncio.Event()
        await bench.clock.advance(HALF_LIFE_S)
        assert bench.source.is_busy
        bench.rotation.refresh("late alert")
        bench.source.gate.set()
        await bench.clock.advance(HALF_LIFE_S - 1)
        assert bench.asked == 2


async def test_wish_cuts_the_back_off_short() -> None:
    async with running(SourceDenied("locked")) as bench:
        await bench.clock.advance(10)
        bench.rotation.refresh("the operator unlocked it")
        await settle()
        assert bench.asked == 2
        assert bench.state is IdentityState.VALID


async def test_source_with_news_is_asked() -> None:
    async with running() as bench:
        await bench.clock.advance(100)
        bench.source.push()
        await settle()
        assert bench.asked == 2
        assert len(bench.published) == 2
        await bench.clock.advance(100)
        bench.source.push()
        await settle()
        assert bench.asked == 3


async def test_source_that_always_has_news_is_asked_at_the_least_floor() -> None:
    async with running() as bench:
        for _ in range(1000):
            bench.source.push()
            await bench.clock.advance(0.05)
        assert bench.asked in {10, 11}


async def test_source_that_cant_be_watched_is_renewed_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.source.watch_fault = RuntimeError("hidden")
    task = asyncio.create_task(bench.rotation.run())
    await bench.clock.advance(HALF_LIFE_S + 1)
    assert not task.done()
    assert bench.asked == 2
    warnings = [item for item in caplog.records if "can't be watched" in item.getMessage()]
    assert 1 <= len(warnings) <= 2
    assert "hidden" not in caplog.text
    task.cancel()


async def test_wait_first() -> None:
    bench = Bench(SourceUnavailable("down"))
    task = asyncio.create_task(bench.rotation.run())
    waiting = asyncio.create_task(bench.rotation.wait_first(30))
    await settle()
    assert not waiting.done()
    await bench.clock.advance(1)
    assert await waiting
    assert await bench.rotation.wait_first(0)
    task.cancel()


async def test_wait_first_gives_up_at_its_deadline() -> None:
    bench = Bench()
    waiting = asyncio.create_task(bench.rotation.wait_first(30))
    await bench.clock.advance(29.9)
    assert not waiting.done()
    await bench.clock.advance(0.2)
    assert not await waiting


async def test_cancelled_while_obtaining_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.source.gate = asyncio.Event()
    task = asyncio.create_task(bench.rotation.run())
    await settle()
    assert bench.source.is_busy
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bench.source.is_busy
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running(HOUR, SourceUnavailable("down")) as bench:
            await bench.clock.advance(HALF_LIFE_S + 10)
            shown = caplog.text + repr(bench.rotation) + repr(bench.published)
    assert "KEY" not in shown
    assert "CHAIN" not in shown


async def test_publishing_reader_sees_the_new_state() -> None:
    seen: list[Generation | None] = []
    bench = Bench()
    read: Callable[[], Generation | None] = lambda: rotation.state.generation  # noqa: E731
    rotation = Rotation(
        bench.source,
        clock=bench.clock,
        rng=Draws(0.0),
        publish=lambda generation: seen.extend([generation, read()]),
    )
    task = asyncio.create_task(rotation.run())
    await settle()
    assert seen[0] is not None
    assert seen[0] is seen[1]
    task.cancel()


async def test_news_about_our_identity_wait_for_the_least_floor_only() -> None:
    async with running(10 * HOUR) as bench:
        await bench.clock.advance(4.0)
        bench.rotation.hear("our certificate is on a list")
        await settle()
        assert bench.asked == 1
        await bench.clock.advance(1.1)
        assert bench.asked == 2
