"""How steps and outcomes are told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.rehearsal.plan import (
    AuthorityChange,
    ClockError,
    FirstIdentity,
    OutageOf,
    Outcome,
    Renewals,
    SleepOf,
    Step,
    span,
    title,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (FirstIdentity(), "first identity"),
        (Renewals(1), "1 renewal"),
        (Renewals(1000), "1000 renewals"),
        (OutageOf(HOUR), "issuer refuses for 1h"),
        (OutageOf(HOUR, "silent"), "issuer silent for 1h"),
        (OutageOf(HOUR, is_whole=False), "first source refuses for 1h"),
        (SleepOf(9 * HOUR), "sleep of 9h"),
        (ClockError(timedelta(seconds=-90)), "clock 90s slow"),
        (ClockError(timedelta(minutes=10)), "clock 10m fast"),
        (AuthorityChange("init", HOUR), "authority: init"),
    ],
)
def test_a_step_has_a_title(step: Step, told: str) -> None:
    assert title(step) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0s"), (59, "59s"), (90, "90s"), (7200, "2h"), (172_800, "2d")]
)
def test_a_span_is_told_in_whole_units(seconds: int, told: str) -> None:
    assert span(timedelta(seconds=seconds)) == told


@pytest.mark.parametrize(
    ("failed", "why", "is_good"), [(0, "", True), (1, "expired", False), (0, "renewal", False)]
)
def test_what_cost_something_is_not_good(failed: int, why: str, is_good: bool) -> None:
    outcome = Outcome(
        part="real", step="x", passed=HOUR, failed_requests=failed, why=why, hint="do that"
    )
    assert outcome.is_good is is_good
    document = outcome.document()
    assert (document["ok"], document["why"], document["passed_s"]) == (is_good, why, 3600)
    assert set(document) == {*Outcome.__slots__, "ok", "passed_s"} - {"passed"}
