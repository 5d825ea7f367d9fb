"""The renewal rules hold for any certificate, any draw and any order of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from certs import renewal
from certs.renewal import IdentityState, Plan, Schedule

START = datetime(2026, 3, 1, tzinfo=UTC)
draws = st.floats(0, 1)
lives = st.timedeltas(timedelta(seconds=5), timedelta(days=400))
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(life=lives, age=st.timedeltas(timedelta(0), timedelta(days=30)), draw=draws)
def test_order_of_an_identitys_times(life: timedelta, age: timedelta, draw: float) -> None:
    got = renewal.schedule(START, START + life, obtained=START + age, draw=draw)
    assert START <= got.begin <= START + timedelta(minutes=2)
    assert got.begin <= max(START, START + age)
    if got.begin < got.not_after:
        whole = got.not_after - got.begin
        tick = timedelta(milliseconds=1)
        assert whole * 0.5 - tick <= got.renew_at - got.begin <= whole * 0.6 + tick
        assert got.renew_at < got.must_have < got.not_after


@given(
    # From what a client of the issuer accepts at the least to what it accepts at the most.
    life=st.timedeltas(timedelta(seconds=5), timedelta(hours=25)),
    back_dated=st.timedeltas(timedelta(0), timedelta(minutes=2)),
    draw=draws,
    back_off=draws,
)
def test_a_renewal_is_due_while_the_identity_still_lives(
    life: timedelta, back_dated: timedelta, draw: float, back_off: float
) -> None:
    got = renewal.schedule(START - back_dated, START + life, obtained=START, draw=draw)
    plan = renewal.renewed(renewal.start(START), got, START, back_off)
    for is_wanted in (False, True):
        due = renewal.next_attempt(plan, is_wanted=is_wanted)
        assert START < due < got.must_have < got.not_after


@given(life=lives, wish=moments, draw=draws)
def test_a_wish_is_kept_within_the_life(life: timedelta, wish: datetime, draw: float) -> None:
    got = renewal.schedule(START, START + life, obtained=START, draw=draw, suggested=wish)
    assert START + life * 0.1 <= got.renew_at <= got.must_have
    if START + life * 0.1 <= wish <= got.must_have:
        assert got.renew_at == wish


@given(previous=st.floats(0, 60), draw=draws)
def test_back_off_stays_between_a_second_and_a_minute(previous: float, draw: float) -> None:
    wait = renewal.backoff(previous, draw)
    assert 1 <= wait <= min(60, 3 * max(previous, 1))


@given(
    backoff_s=st.floats(1, 60),
    retry_after_s=st.none() | st.floats(0, 1e9),
    is_denied=st.booleans(),
    left_s=st.none() | st.floats(-1e6, 1e6),
)
def test_retry_wait(
    backoff_s: float, retry_after_s: float | None, is_denied: bool, left_s: float | None
) -> None:
    wait = renewal.retry_wait(
        backoff_s, retry_after_s=retry_after_s, is_denied=is_denied, left_s=left_s
    )
    assert 1 <= wait <= 3600
    assert retry_after_s is None or wait >= min(retry_after_s, 3600)
    assert not is_denied or wait >= 60


@given(now=moments, due=moments)
def test_nobody_sleeps_longer_than_a_tick_or_past_the_time(now: datetime, due: datetime) -> None:
    wait = renewal.next_wait(now, due)
    assert 0 <= wait <= 15
    assert wait == 0 or now + timedelta(seconds=wait) <= due


class RenewalMachine(RuleBasedStateMachine):
    """A plan that meets successes, failures, wishes and a clock that does what it likes.

    `running_s` is time that really passed, sleeps included; the wall clock is that and all by which
    it was set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.running_s = 0.0
        self.plan: Plan = renewal.start(START)
        self.got: Schedule | None = None
        self.quiet_until_s = 0.0

    @initialize(draw=draws)
    def begin(self, draw: float) -> None:
        assert renewal.state_at(self.plan, self.now) is IdentityState.WAITING
        self.fail(draw, None, is_denied=False)

    def _ask(self, *, is_wanted: bool) -> None:
        """Go on to the next attempt, as the task does."""
        due = renewal.next_attempt(self.plan, is_wanted=is_wanted)
        passed = max(0.0, (due - self.now).total_seconds())
        self.now += timedelta(seconds=passed)
        self.running_s += passed
        assert self.running_s >= self.quiet_until_s - 0.01, "too soon"

    def _quiet(self, seconds: float) -> None:
        self.quiet_until_s = self.running_s + seconds

    @rule(
        life=lives,
        age=st.timedeltas(timedelta(0), timedelta(hours=3)),
        draw=draws,
        wanted=st.booleans(),
    )
    def succeed(self, life: timedelta, age: timedelta, draw: float, wanted: bool) -> None:
        self._ask(is_wanted=wanted)
        not_before = self.now - min(age, life * 0.9)
        got = renewal.schedule(not_before, not_before + life, obtained=self.now, draw=draw)
        self.plan = renewal.renewed(self.plan, got, self.now, draw)
        self.got = got
        whole_s = (got.not_after - got.begin).total_seconds()
        self._quiet(min(max(5.0, whole_s / 100), whole_s / 2))
        assert self.plan.failures == 0

    @rule(
        draw=draws,
        retry_after_s=st.none() | st.floats(0, 1e5),
        is_denied=st.booleans(),
        wanted=st.booleans(),
    )
    def fail_again(
        self, draw: float, retry_after_s: float | None, is_denied: bool, wanted: bool
    ) -> None:
        self._ask(is_wanted=wanted)
        self.fail(draw, retry_after_s, is_denied=is_denied)

    def fail(self, draw: float, retry_after_s: float | None, *, is_denied: bool) -> None:
        before = self.plan
        self.plan = renewal.failed(
            before, self.now, draw, retry_after_s=retry_after_s, is_denied=is_denied
        )
        assert self.plan.schedule == before.schedule, "the last good stays"
        assert self.plan.failures == before.failures + 1
        self._quiet(max(1.0, min(retry_after_s or 0.0, 3600.0)))

    @rule(seconds=st.floats(0, 4000))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.running_s += seconds

    @rule(seconds=st.floats(-1e6, 1e6))
    def set_clock(self, seconds: float) -> None:
        by = timedelta(seconds=seconds)
        self.now += by
        self.plan = renewal.clock_set(self.plan, by)

    @rule(seconds=st.floats(0, 1e6))
    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.plan = renewal.slept(self.plan, self.now)

    @invariant()
    def asks_again_in_time(self) -> None:
        assert self.plan.earliest <= self.plan.due or self.plan.due <= self.now
        if self.plan.failures:
            assert self.plan.due - self.now <= timedelta(seconds=3600)
        elif self.got is not None and self.plan.backoff_s == 0:
            assert self.plan.due <= max(self.got.renew_at, self.plan.earliest)

    @invariant()
    def state_fits(self) -> None:
        state = renewal.state_at(self.plan, self.now)
        if self.got is None:
            assert state is IdentityState.WAITING
            return
        assert (state is IdentityState.EXPIRED) == (self.now >= self.got.not_after)
        if state is IdentityState.VALID:
            assert self.now < self.got.renew_at
            assert not self.plan.failures


TestRenewal = RenewalMachine.TestCase
