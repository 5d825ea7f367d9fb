"""What the rotation makes of replies that are not quite what was asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from certs.errors import ReplyRejected, SourceUnavailable
from certs.renewal import IdentityState
from tests.fakes.clock import START, settle
from tests.fakes.identity_source import Reply, identity
from tests.fakes.rotation_bench import HALF_LIFE_S, HOUR, Bench, running


async def test_rejected_reply_changes_nothing() -> None:
    async with running(HOUR, ReplyRejected("for another key")) as bench:
        await bench.clock.advance(HALF_LIFE_S)
        assert bench.rotation.state.generation is bench.published[0]
        assert bench.rotation.state.renewals == {"ok": 1, "rejected": 1}


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
