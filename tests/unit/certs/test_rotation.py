"""The task that owns renewal: what it asks for, when, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from certs.errors import (
    IdentityLocked,
    IdentityWithdrawn,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.generation import Generation
from certs.renewal import IdentityState
from certs.rotation import Rotation
from tests.fakes.clock import START, FakeClock, settle
from tests.fakes.identity_source import FakeSource, Reply, identity

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


async def test_rejected_reply_changes_nothing() -> None:
    async with running(HOUR, ReplyRejected("for another key")) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert bench.rotation.state.generation is bench.published[0]
        assert bench.rotation.state.renewals == {"ok": 1, "rejected": 1}


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


async def test_only_the_bundle_is_new() -> None:
    first = identity(START, START + HOUR)
    second = identity(START, START + HOUR, bundle=b"BUNDLE 2")
    async with running(first, second) as bench:
        due = bench.rotation.state.next_attempt
        await bench.clock.advance(100)
        bench.source.push()
        await settle()
        assert [item.bundle_pem for item in bench.published] == [b"BUNDLE", b"BUNDLE 2"]
        assert bench.rotation.state.next_attempt == due


async def test_the_issuer_wants_another_time() -> None:
    first = identity(START, START + HOUR)
    sooner = replace(first, renew_after=START + timedelta(minutes=10))
    async with running(first, sooner) as bench:
        await bench.clock.advance(100)
        bench.source.push()
        await settle()
        assert (len(bench.published), bench.asked) == (1, 2)
        assert bench.rotation.state.next_attempt == START + timedelta(minutes=10)
        await bench.clock.advance(500.01)
        assert (len(bench.published), bench.asked) == (2, 3)


async def test_another_time_comes_with_another_bundle() -> None:
    first = identity(START, START + HOUR)
    second = identity(START, START + HOUR, bundle=b"BUNDLE 2")
    second = replace(second, renew_after=START + timedelta(minutes=20))
    async with running(first, second) as bench:
        await bench.clock.advance(100)
        bench.source.push()
        await settle()
        assert [item.bundle_pem for item in bench.published] == [b"BUNDLE", b"BUNDLE 2"]
        assert bench.rotation.state.next_attempt == START + timedelta(minutes=20)


async def test_bundle_is_taken_even_when_the_leaf_is_due() -> None:
    first = identity(START, START + HOUR)
    second = identity(START, START + HOUR, bundle=b"BUNDLE 2")
    async with running(first, second) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert [item.bundle_pem for item in bench.published] == [b"BUNDLE", b"BUNDLE 2"]
        assert bench.state is IdentityState.RENEWING


async def test_same_certificate_when_due_is_a_failure_and_doesnt_spin() -> None:
    same = identity(START, START + HOUR)
    async with running(*[same] * 5000) as bench:
        await bench.clock.advance(HALF_LIFE_S + 600)
        assert len(bench.published) == 1
        assert "same certificate" in bench.rotation.state.last_error
        assert bench.state is IdentityState.RENEWING


async def test_same_certificate_before_it_is_due_is_no_failure() -> None:
    same = identity(START, START + HOUR)
    async with running(same, same) as bench:
        await bench.clock.advance(100)
        bench.rotation.refresh("the operator asks")
        await settle()
        assert bench.asked == 2
        assert len(bench.published) == 1
        assert bench.state is IdentityState.VALID
        await bench.clock.advance(HALF_LIFE_S - 100.1)
        assert bench.asked == 2


async def test_reply_that_is_due_at_once_is_used_and_asked_about_at_the_pace_of_failures() -> None:
    # Each is 40 minutes old when it comes, and lives 20 more: better than the one before.
    def old(bench: Bench) -> Reply:
        return bench.source.fresh(timedelta(minutes=20), back_dated=timedelta(minutes=40))

    bench = Bench(draw=1.0)
    task = asyncio.create_task(bench.rotation.run())
    for _ in range(600):
        bench.source.replies[:] = [old(bench)]
        await bench.clock.advance(1)
    assert not task.done()
    assert 10 <= bench.asked <= 20
    gaps = [b - a for a, b in pairwise(bench.asked_after_s)]
    assert min(gaps) > 30
    assert gaps[-1] == pytest.approx(60, abs=2)
    task.cancel()


async def test_reply_that_is_due_at_once_doesnt_replace_a_longer_one() -> None:
    old = identity(START - HOUR, START + HALF_LIFE_S * timedelta(seconds=1.5), serial="99")
    async with running(HOUR, old) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert len(bench.published) == 1
        assert "ends no later than ours" in bench.rotation.state.last_error


async def test_shorter_life_is_used_and_renewed_by_its_own_time() -> None:
    short = timedelta(minutes=10)
    async with running(HOUR, short) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert [item.number for item in bench.published] == [1, 2]
        first, second = bench.published
        assert second.not_after < first.not_after
        await bench.clock.advance(short.total_seconds() / 2 - 0.1)
        assert bench.asked == 2
        await bench.clock.advance(0.2)
        assert bench.asked == 3
        assert bench.state is IdentityState.VALID


async def test_life_that_begins_a_little_later_is_counted_from_its_begin() -> None:
    """The issuer's clock is ahead of ours, by less than two honest clocks may differ."""
    ahead = timedelta(seconds=30)
    async with running(identity(START + ahead, START + ahead + HOUR)) as bench:
        assert bench.state is IdentityState.VALID
        assert bench.rotation.state.since == START + ahead
        assert bench.rotation.state.next_attempt == START + ahead + HOUR / 2


async def test_bad_replies_in_a_row_cost_nothing_until_a_good_one_comes() -> None:
    bad: list[Reply] = [
        ReplyRejected("the certificate is for another key than ours"),
        ReplyRejected("the certificate is valid only from tomorrow"),
        identity(START - HOUR, START - timedelta(seconds=1), serial="98"),
        SourceUnavailable("the issuer is being replaced"),
    ]
    async with running(HOUR, *bad) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        for _ in bad:
            assert bench.rotation.state.generation is bench.published[0]
            assert bench.state is IdentityState.RENEWING
            await bench.clock.advance(1)
        assert [item.number for item in bench.published] == [1, 2]
        assert bench.rotation.state.renewals == {"ok": 2, "rejected": 3, "unavailable": 1}


async def test_expired_reply_is_refused_without_a_current_one() -> None:
    async with running(identity(START - HOUR, START)) as bench:
        assert bench.published == []
        assert "expired at" in bench.rotation.state.last_error


async def test_back_dated_short_life_is_not_due_at_once() -> None:
    bench = Bench()
    bench.source.replies.append(
        bench.source.fresh(timedelta(seconds=20), back_dated=timedelta(seconds=60))
    )
    task = asyncio.create_task(bench.rotation.run())
    await bench.clock.advance(9.9)
    assert bench.asked == 1
    await bench.clock.advance(0.2)
    assert bench.asked == 2
    task.cancel()


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


async def test_repeated_failure_is_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with running(*[SourceUnavailable("down") for _ in range(20)]) as bench:
            await bench.clock.advance(20)
    assert len([item for item in caplog.records if "no new identity" in item.getMessage()]) == 1


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


async def test_news_about_our_identity_wait_for_the_least_floor_only() -> None:
    async with running(10 * HOUR) as bench:
        await bench.clock.advance(4.0)
        bench.rotation.hear("our certificate is on a list")
        await settle()
        assert bench.asked == 1
        await bench.clock.advance(1.1)
        assert bench.asked == 2
