"""The renewal rules, by example; tests/property has them for any input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs import renewal
from certs.renewal import IdentityState, Plan

START = datetime(2026, 3, 1, tzinfo=UTC)


def after(**span: float) -> datetime:
    return START + timedelta(**span)


def plan_of_an_hour() -> Plan:
    got = renewal.schedule(START, after(hours=1), obtained=START, draw=0.0)
    return renewal.renewed(renewal.start(START), got, START, 0.0)


@pytest.mark.parametrize(("draw", "minutes"), [(0.0, 30), (0.5, 33), (1.0, 36)])
def test_renewal_is_between_50_and_60_percent(draw: float, minutes: float) -> None:
    assert renewal.renew_at(START, after(hours=1), draw) == after(minutes=minutes)


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        (after(minutes=20), after(minutes=20)),
        (after(hours=-5), after(minutes=6)),
        (after(hours=5), after(minutes=54)),
    ],
)
def test_issuers_wish_is_kept_within_the_life(wish: datetime, kept: datetime) -> None:
    assert renewal.renew_at(START, after(hours=1), 0.0, suggested=wish) == kept


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        (after(minutes=2), after(minutes=2)),
        (after(seconds=10), after(seconds=36)),
        (after(hours=5), after(minutes=54)),
    ],
)
def test_a_wish_that_changes_is_followed_from_the_floor_on(wish: datetime, kept: datetime) -> None:
    got = renewal.schedule(START, after(hours=1), obtained=START, draw=0.0)
    assert renewal.moved(got, wish) == replace(got, renew_at=kept)
    assert renewal.moved(got, None) is got


@pytest.mark.parametrize(
    ("life_s", "left_s"), [(36_000, 3600), (3600, 360), (600, 120), (480, 120), (20, 5)]
)
def test_must_have(life_s: float, left_s: float) -> None:
    assert renewal.must_have_at(START, after(seconds=life_s)) == after(seconds=life_s - left_s)


@pytest.mark.parametrize(
    ("obtained_s", "begin_s"), [(-30, 0), (0, 0), (60, 60), (120, 120), (1000, 120)]
)
def test_back_dating_is_no_age_and_real_age_is(obtained_s: float, begin_s: float) -> None:
    assert renewal.life_begin(START, after(seconds=obtained_s)) == after(seconds=begin_s)


@pytest.mark.parametrize(("life_s", "floor_s"), [(8, 4), (10, 5), (20, 5), (500, 5), (3600, 36)])
def test_floor(life_s: float, floor_s: float) -> None:
    assert renewal.floor_between(timedelta(seconds=life_s)) == timedelta(seconds=floor_s)


def test_wish_of_somebody_waits_for_the_floor() -> None:
    plan = plan_of_an_hour()
    assert renewal.next_attempt(plan, is_wanted=False) == after(minutes=30)
    assert renewal.next_attempt(plan, is_wanted=True) == after(seconds=36)


def test_failure_keeps_the_schedule() -> None:
    plan = renewal.failed(plan_of_an_hour(), after(minutes=30), 1.0)
    assert plan.schedule == plan_of_an_hour().schedule
    assert plan.due == after(minutes=30, seconds=3)
    assert renewal.next_attempt(plan, is_wanted=True) == after(minutes=30, seconds=1)


def test_retry_after_of_days_is_cut_to_an_hour() -> None:
    plan = renewal.failed(renewal.start(START), START, 0.0, retry_after_s=1e9)
    assert plan.due == plan.earliest == after(hours=1)


def test_states_by_the_clock() -> None:
    plan = plan_of_an_hour()
    states = [renewal.state_at(plan, after(minutes=minute)) for minute in (0, 29, 30, 53, 54, 60)]
    assert states == [
        IdentityState.VALID,
        IdentityState.VALID,
        IdentityState.RENEWING,
        IdentityState.RENEWING,
        IdentityState.DEGRADED,
        IdentityState.EXPIRED,
    ]


def test_good_reply_ends_a_denial() -> None:
    plan = renewal.failed(plan_of_an_hour(), after(minutes=1), 0.0, is_denied=True)
    assert renewal.state_at(plan, after(minutes=2)) is IdentityState.DEGRADED
    got = renewal.schedule(after(minutes=2), after(hours=2), obtained=after(minutes=2), draw=0.0)
    plan = renewal.renewed(plan, got, after(minutes=2), 0.0)
    assert renewal.state_at(plan, after(minutes=2)) is IdentityState.VALID


def test_waking_up_gives_a_failing_source_a_fresh_start() -> None:
    plan = renewal.failed(renewal.start(START), START, 1.0)
    plan = renewal.failed(plan, after(seconds=3), 1.0)
    woken = renewal.slept(plan, after(seconds=10))
    assert woken.due == after(seconds=10)
    assert woken.backoff_s == 0.0
    assert woken.failures == 2


def test_a_clock_that_is_set_changes_no_wait() -> None:
    plan = renewal.failed(renewal.start(START), START, 1.0, retry_after_s=60.0)
    for by in (timedelta(days=1), -timedelta(days=1)):
        moved = renewal.clock_set(plan, by)
        assert moved.due == plan.due + by
        assert moved.earliest == plan.earliest + by


def test_a_clock_that_is_set_leaves_the_renewal_at_its_time_of_day() -> None:
    plan = plan_of_an_hour()
    assert plan.schedule is not None
    for by in (timedelta(minutes=7), -timedelta(minutes=7)):
        assert renewal.clock_set(plan, by).due == plan.schedule.renew_at
    ahead = renewal.clock_set(plan, timedelta(hours=1))
    assert ahead.due == ahead.earliest, "at once, but for the floor"


def test_the_instant_in_a_window_goes_with_the_draw() -> None:
    start, end = after(minutes=10), after(minutes=20)
    assert renewal.instant_in(start, end, 0.0) == start
    assert renewal.instant_in(start, end, 0.25) == after(minutes=12.5)
    assert renewal.instant_in(end, start, 0.5) is None
    assert renewal.instant_in(start, start, 0.5) is None


def test_draws_of_certificates_are_spread() -> None:
    draws = [renewal.draw_from(f"{number:x}") for number in range(1000)]
    assert draws == [renewal.draw_from(f"{number:x}") for number in range(1000)]
    assert all(0 <= draw < 1 for draw in draws)
    tenths = [sum(low <= draw * 10 < low + 1 for draw in draws) for low in range(10)]
    assert min(tenths) > 60


def test_a_wish_that_changes_moves_the_renewal_alone() -> None:
    kept = renewal.schedule(START, after(hours=1), obtained=START, draw=0.5)
    assert renewal.moved(kept, None) == kept
    moved = renewal.moved(kept, after(minutes=10))
    assert moved == replace(kept, renew_at=after(minutes=10))
