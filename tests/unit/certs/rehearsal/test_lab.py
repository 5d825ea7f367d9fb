"""The rehearsal's machines through each kind of step: real keys, requests and certificates, and
OpenSSL's own checks, in a time that is made up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from certs.clock import SystemClock
from certs.rehearsal.embedded import Offer
from certs.rehearsal.lab import Lab
from certs.rehearsal.plan import (
    AuthorityChange,
    ClockError,
    FirstIdentity,
    OutageOf,
    Outcome,
    Renewals,
    SleepOf,
    Step,
)
from certs.rehearsal.stage import Scene, StandIn, embedded_lab, real_lab
from tests.fakes.identity_source import FakeSource

SECONDS = timedelta(seconds=1)
MINUTES = timedelta(minutes=1)
HOURS = timedelta(hours=1)

pytestmark = pytest.mark.may_block("the rehearsal's folder is made and removed at its ends")


@contextlib.asynccontextmanager
async def lab(life: timedelta = HOURS, *sources: StandIn) -> AsyncIterator[Lab]:
    scene = Scene(
        offer=Offer(trust_domain="acme.example", life=life),
        sources=sources or (StandIn(name="issuer"),),
        request_wait_s=8.0,
    )
    async with embedded_lab(scene, real=SystemClock(), timer=time.monotonic) as running:
        assert (await running.go_through(FirstIdentity())).is_good
        yield running


async def outcome_of(step: Step, *, life: timedelta = HOURS) -> Outcome:
    async with lab(life) as running:
        return await running.go_through(step)


async def test_a_thousand_renewals_of_certificates_that_live_seconds() -> None:
    outcome = await outcome_of(Renewals(1000), life=10 * SECONDS)
    assert outcome.is_good, outcome
    assert outcome.renewals >= 1000
    assert outcome.requests > 5000
    assert outcome.failed_renewals == 0
    # By half and six tenths of 10 s.
    assert 5000 * SECONDS <= outcome.passed <= 6100 * SECONDS


async def test_the_first_identity_is_no_request() -> None:
    scene = Scene(offer=Offer(trust_domain="acme.example", life=HOURS), request_wait_s=8.0)
    async with embedded_lab(scene, real=SystemClock(), timer=time.monotonic) as running:
        outcome = await running.go_through(FirstIdentity())
        assert (outcome.is_good, outcome.renewals, outcome.requests) == (True, 1, 0)
        assert outcome.slowest_reply_s > 0
        assert running.certificate_life == HOURS


@pytest.mark.parametrize("kind", ["refuses", "silent"])
async def test_an_outage_within_the_life_costs_nothing(kind: str) -> None:
    step = OutageOf(20 * MINUTES, "silent" if kind == "silent" else "refuses")
    outcome = await outcome_of(step)
    assert outcome.is_good, outcome
    assert outcome.failed_renewals > 5
    assert outcome.renewals == 1


async def test_an_outage_past_the_end_is_told_and_mends_itself() -> None:
    async with lab() as running:
        outcome = await running.go_through(OutageOf(2 * HOURS))
        assert outcome.failed_requests > 10
        assert "connections to issuer are refused" in outcome.why
        assert 80 * MINUTES < timedelta(seconds=outcome.failed_s) < 100 * MINUTES
        assert (await running.go_through(Renewals(2))).is_good


async def test_a_night_costs_nothing_where_the_credential_stays_good() -> None:
    outcome = await outcome_of(SleepOf(9 * HOURS))
    assert outcome.is_good, outcome
    assert outcome.renewals >= 1
    assert 9 * HOURS < outcome.passed < 11 * HOURS


async def test_a_night_on_a_token_that_is_spent_needs_a_person_and_is_told() -> None:
    async with lab(HOURS, StandIn(name="issuer", joins=1)) as running:
        outcome = await running.go_through(SleepOf(9 * HOURS))
    assert outcome.failed_requests >= 1
    assert "token_spent" in outcome.why
    assert "make a new one" in outcome.hint


async def test_the_step_after_one_that_needed_a_person_is_judged_alone() -> None:
    async with lab(HOURS, StandIn(name="issuer", joins=1)) as running:
        assert not (await running.go_through(SleepOf(9 * HOURS))).is_good
        outcome = await running.go_through(Renewals(2))
    assert outcome.is_good, outcome
    assert outcome.renewals == 2


@pytest.mark.parametrize("seconds", [90, -90, 600])
async def test_a_clock_that_is_a_little_wrong_costs_nothing(seconds: int) -> None:
    outcome = await outcome_of(ClockError(seconds * SECONDS))
    assert outcome.is_good, outcome


async def test_a_clock_that_is_much_too_slow_is_told() -> None:
    async with lab() as running:
        outcome = await running.go_through(ClockError(-10 * MINUTES))
        assert outcome.failed_requests > 0
        assert outcome.failed_renewals > 0
        assert "the gateway's clock finds" in outcome.why
        assert (await running.go_through(Renewals(1))).is_good


async def test_a_first_source_that_is_away_is_stood_in_for() -> None:
    async with lab(HOURS, StandIn(name="spiffe"), StandIn(name="step-ca")) as running:
        outcome = await running.go_through(OutageOf(5 * HOURS, is_whole=False))
        assert outcome.is_good, outcome
        both = await running.go_through(OutageOf(2 * HOURS))
        assert "spiffe" in both.why
        assert "step-ca" in both.why


@pytest.mark.parametrize(
    "phases",
    [
        ("init", "update_clients", "update_servers", "standby"),
        ("init", "rollback", "standby"),
        ("init", "update_clients", "rollback", "standby"),
        ("init", "update_clients", "update_servers", "rollback", "standby"),
    ],
    ids=len,
)
async def test_an_authority_is_replaced_or_kept_without_a_request_that_fails(
    phases: tuple[str, ...],
) -> None:
    async with lab() as running:
        for phase in phases:
            outcome = await running.go_through(AuthorityChange(phase, HOURS))
            assert outcome.is_good, outcome
            assert outcome.requests >= 20
        assert (await running.go_through(Renewals(3))).is_good


async def test_an_outage_in_the_middle_of_an_authoritys_change_costs_nothing() -> None:
    async with lab() as running:
        for phase in ("init", "update_clients", "update_servers", "standby"):
            assert (await running.go_through(AuthorityChange(phase, 30 * MINUTES))).is_good
            away = await running.go_through(OutageOf(15 * MINUTES))
            assert away.is_good, away


async def test_an_authority_of_somebody_else_cant_be_led_on() -> None:
    clock = SystemClock()
    async with real_lab(
        FakeSource(clock), real=clock, timer=time.monotonic, request_wait_s=8.0
    ) as running:
        with pytest.raises(ValueError, match="no authority of its own"):
            await running.go_through(AuthorityChange("init", HOURS))
