"""A rotation whose machine sleeps, or whose clock is set."""

from __future__ import annotations

import logging

import pytest

from certs.errors import SourceUnavailable
from certs.renewal import IdentityState
from tests.fakes.clock import settle
from tests.fakes.rotation_bench import HALF_LIFE_S, running


async def test_sleeping_laptop_is_noticed_within_a_tick() -> None:
    async with running() as bench:
        await bench.clock.advance(100)
        assert bench.clock.longest_sleep_s <= 15
        await bench.clock.suspend(9 * 3600)
        assert bench.rotation.state.reason.startswith("the identity has expired")
        await bench.clock.advance(15)
        assert bench.asked == 2
        assert bench.state is IdentityState.VALID


async def test_request_after_a_sleep_gets_its_refresh_at_once() -> None:
    async with running() as bench:
        await bench.clock.advance(100)
        await bench.clock.suspend(9 * 3600)
        bench.rotation.refresh("the certificate has expired")
        await settle()
        assert bench.state is IdentityState.VALID


async def test_after_a_sleep_a_failing_source_is_asked_anew() -> None:
    outage = [SourceUnavailable("no network") for _ in range(20)]
    async with running(*outage, draw=1.0) as bench:
        await bench.clock.advance(120)
        bench.source.replies.clear()
        asked = bench.asked
        await bench.clock.suspend(3600)
        await bench.clock.advance(15)
        assert bench.asked == asked + 1


async def test_clock_set_back_doesnt_stretch_the_waits() -> None:
    outage = [SourceUnavailable("down") for _ in range(500)]
    async with running(*outage, draw=1.0) as bench:
        await bench.clock.advance(300)
        asked = bench.asked
        await bench.clock.jump(-24 * 3600)
        await bench.clock.advance(120)
        assert bench.asked >= asked + 1


async def test_clock_set_back_leaves_a_valid_identity_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        async with running() as bench:
            await bench.clock.advance(100)
            await bench.clock.jump(-600)
            await bench.clock.advance(HALF_LIFE_S + 499)
            assert bench.asked == 1
            await bench.clock.advance(2)
            assert bench.asked == 2
    assert "was set by -600 s" in caplog.text


async def test_clock_set_ahead_shortens_no_wait() -> None:
    throttled = SourceUnavailable("slow down", retry_after_s=600)
    async with running(throttled) as bench:
        await bench.clock.advance(100)
        await bench.clock.jump(24 * 3600)
        bench.rotation.refresh("requests wait")
        await bench.clock.advance(499)
        assert bench.asked == 1, "the issuer asked for ten minutes, whatever our clock shows"
        await bench.clock.advance(2)
        assert bench.asked == 2


async def test_clock_set_ahead_of_the_renewal_brings_it_forth() -> None:
    async with running() as bench:
        await bench.clock.advance(100)
        await bench.clock.jump(HALF_LIFE_S)
        await bench.clock.advance(15)
        assert bench.asked == 2


async def test_a_sleep_and_a_clock_that_is_set_meanwhile_are_told_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = [SourceUnavailable("no network") for _ in range(20)]
    with caplog.at_level(logging.INFO):
        async with running(*outage, draw=1.0) as bench:
            await bench.clock.advance(120)
            bench.source.replies.clear()
            asked = bench.asked
            await bench.clock.suspend(3600)
            await bench.clock.jump(-300)
            await bench.clock.advance(15)
            assert bench.asked == asked + 1
    assert "was set by -300 s" in caplog.text
    assert "slept for 3600 s" in caplog.text


async def test_a_clock_that_is_wrong_is_told_once_and_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = [SourceUnavailable("down") for _ in range(3)]
    async with running(*outage) as bench:
        assert bench.rotation.state.clock_skew_s is None
        bench.source.clock_skew_s = 45.0
        await bench.clock.advance(5)
        assert bench.state is IdentityState.VALID
        assert bench.rotation.state.clock_skew_s == 45.0
        assert caplog.text.count("clock is 45 s ahead of the source's") == 1
        await bench.clock.jump(-45)
        await bench.clock.advance(15)
        assert bench.rotation.state.clock_skew_s == pytest.approx(0.0, abs=0.1)
