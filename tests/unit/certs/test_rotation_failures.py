"""What the rotation makes of a source that fails, refuses or locks us."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from certs.errors import IdentityLocked, IdentityWithdrawn, SourceDenied, SourceUnavailable
from certs.renewal import IdentityState
from tests.fakes.clock import START
from tests.fakes.rotation_bench import HALF_LIFE_S, HOUR, running


async def test_failures_keep_the_last_good_and_say_why() -> None:
    outage = SourceUnavailable("the issuer refuses connections", hint="start it")
    async with running(HOUR, outage) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        state = bench.rotation.state
        assert state.state is IdentityState.RENEWING
        assert state.generation is bench.published[0]
        assert state.last_error == "the issuer refuses connections"
        assert state.last_error_hint == "start it"
        assert state.last_error_at == bench.clock.now()
        assert state.reason.endswith(": the issuer refuses connections")
        assert state.renewals == {"ok": 1, "unavailable": 1}
        await bench.clock.advance(1)
        after = bench.rotation.state
        assert (after.state, after.last_error) == (IdentityState.VALID, "")
        assert after.renewals == {"ok": 2, "unavailable": 1}


async def test_state_follows_the_clock_through_an_outage_and_out_of_it() -> None:
    outage = [SourceUnavailable("down") for _ in range(5000)]
    async with running(HOUR, *outage) as bench:
        seen = []
        for _ in range(37):
            await bench.clock.advance(100)
            seen.append(bench.state)
        assert seen[17:32] == [IdentityState.RENEWING] * 15  # from 1800 s
        assert seen[32:35] == [IdentityState.DEGRADED] * 3  # from 3240 s: 10 % are left
        assert seen[36] is IdentityState.EXPIRED
        assert bench.rotation.state.reason == (
            "the identity has expired and could not be renewed: down"
        )
        bench.source.replies.clear()
        await bench.clock.advance(60)
        assert bench.state is IdentityState.VALID
        assert [generation.number for generation in bench.published] == [1, 2]


async def test_backoff_grows_to_a_minute() -> None:
    outage = [SourceUnavailable("down") for _ in range(50)]
    async with running(*outage, draw=1.0) as bench:
        await bench.clock.advance(400)
        times = bench.asked_after_s
        gaps = [after - before for before, after in pairwise(times)]
        assert gaps[:6] == pytest.approx([3, 9, 27, 60, 60, 60])
        assert bench.state is IdentityState.WAITING


async def test_attempts_come_faster_as_the_end_nears() -> None:
    outage = [SourceUnavailable("down") for _ in range(200)]
    async with running(timedelta(seconds=100), *outage, draw=1.0) as bench:
        await bench.clock.advance(99)
        times = [at for at in bench.asked_after_s if at > 90]
        assert len(times) >= 5


async def test_retry_after_is_honoured_even_against_wishes() -> None:
    async with running(SourceUnavailable("busy", retry_after_s=120)) as bench:
        await bench.clock.advance(60)
        bench.rotation.refresh("please")
        await bench.clock.advance(59.9)
        assert bench.asked == 1
        await bench.clock.advance(0.2)
        assert bench.asked == 2


async def test_denied_is_asked_again_slowly() -> None:
    denied = SourceDenied("the token is spent", hint="make a new one")
    async with running(denied) as bench:
        assert bench.rotation.state.reason == (
            "no identity has been obtained yet: the token is spent"
        )
        await bench.clock.advance(59.9)
        assert bench.asked == 1
        await bench.clock.advance(0.2)
        assert bench.asked == 2
        assert bench.state is IdentityState.VALID


async def test_denied_while_valid_is_degraded_at_once() -> None:
    async with running(HOUR, SourceDenied("locked")) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert bench.state is IdentityState.DEGRADED
        assert bench.rotation.state.renewals == {"ok": 1, "denied": 1}


async def test_a_withdrawn_identity_ends_at_once_and_may_come_back() -> None:
    async with running(HOUR, IdentityWithdrawn("taken away"), IdentityWithdrawn("still")) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert bench.state is IdentityState.EXPIRED
        assert bench.rotation.state.reason == "the identity was withdrawn: taken away"
        good, ended = bench.published
        assert ended == replace(good, number=2, not_after=START + timedelta(seconds=HALF_LIFE_S))
        await bench.clock.advance(61)
        assert len(bench.published) == 2
        await bench.clock.advance(61)
        assert bench.published[2].number == 3
        assert bench.rotation.state.reason == ""


async def test_what_was_never_given_can_not_be_withdrawn() -> None:
    async with running(IdentityWithdrawn("none at all")) as bench:
        assert bench.state is IdentityState.WAITING
        assert bench.published == []


@pytest.mark.parametrize("fault", [KeyError("secret-value"), OSError(5, "io"), TimeoutError()])
async def test_foreign_exception_is_a_failure_like_others_and_is_not_quoted(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fault) as bench:
        state = bench.rotation.state
        assert state.last_error.startswith(
            f"the source failed unexpectedly: {type(fault).__name__} at identity_source.py:"
        )
        assert "secret-value" not in state.last_error + caplog.text
        await bench.clock.advance(1)
        assert bench.state is IdentityState.VALID


async def test_source_that_cancels_itself_doesnt_end_the_task() -> None:
    async with running(asyncio.CancelledError()) as bench:
        assert bench.rotation.state.last_error == ("the source failed unexpectedly: CancelledError")
        await bench.clock.advance(1)
        assert bench.state is IdentityState.VALID


async def test_silent_source_is_given_up_after_a_minute() -> None:
    async with running() as bench:
        bench.source.gate = asyncio.Event()
        bench.rotation.refresh("test")
        await bench.clock.advance(36)  # the floor
        assert bench.source.is_busy
        await bench.clock.advance(59.9)
        assert bench.source.is_busy
        await bench.clock.advance(0.2)
        assert not bench.source.is_busy
        assert "didn't answer within 60 s" in bench.rotation.state.last_error


async def test_repeated_failure_is_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with running(*[SourceUnavailable("down") for _ in range(20)]) as bench:
            await bench.clock.advance(20)
    assert len([item for item in caplog.records if "no new identity" in item.getMessage()]) == 1


async def test_a_locked_identity_is_a_state_of_its_own_and_is_asked_about_slowly() -> None:
    locked = IdentityLocked("this instance is locked: call Ada", hint="unlock it")
    async with running(HOUR, locked, locked) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        state = bench.rotation.state
        assert state.state is IdentityState.LOCKED
        assert state.reason == "the identity is locked: this instance is locked: call Ada"
        assert state.last_error_hint == "unlock it"
        # Its certificate was left alone, and so serves on.
        assert bench.published == [state.generation]
        await bench.clock.advance(59.9)
        assert bench.asked == 2
        await bench.clock.advance(0.2)
        assert (bench.asked, bench.state) == (3, IdentityState.LOCKED)
        await bench.clock.advance(60.1)
        assert (bench.asked, bench.state) == (4, IdentityState.VALID)


async def test_a_revoked_identity_ends_at_once_and_heals_with_what_it_had() -> None:
    locked = IdentityLocked("this instance is locked", is_revoked=True)
    async with running(HOUR, locked, locked) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        good, ended = bench.published
        assert ended == replace(good, number=2, not_after=START + timedelta(seconds=HALF_LIFE_S))
        assert bench.rotation.state.reason == "the identity is locked: this instance is locked"
        await bench.clock.advance(60.1)
        assert len(bench.published) == 2
        bench.rotation.refresh("the operator unlocked it")
        await bench.clock.advance(1.0)
        assert bench.state is IdentityState.VALID
        assert len(bench.published) == 3
        # It is asked with the certificate as it was, whose own end is still to come.
        assert bench.source.currents == [None, good, good, good]


async def test_a_join_that_is_locked_out_says_so() -> None:
    async with running(IdentityLocked("this workload is locked")) as bench:
        state = bench.rotation.state
        assert state.state is IdentityState.LOCKED
        assert state.reason == "the identity is locked: this workload is locked"
        await bench.clock.advance(60.1)
        assert bench.state is IdentityState.VALID
