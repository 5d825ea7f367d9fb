from __future__ import annotations

from datetime import timedelta

import pytest

from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.sources.breaker import Breaker
from tests.fakes.clock import START


def open_for_s(breaker: Breaker) -> float:
    assert breaker.open_until is not None
    return (breaker.open_until - START).total_seconds()


def test_a_new_one_is_closed() -> None:
    assert not Breaker().is_open(START)


def test_it_closes_when_its_time_is_over() -> None:
    breaker = Breaker().failed(SourceUnavailable("away"), START)
    assert breaker.is_open(START + timedelta(seconds=29))
    assert not breaker.is_open(START + timedelta(seconds=30))


def test_it_stays_open_longer_with_each_failure() -> None:
    breaker, waits = Breaker(), []
    for _ in range(12):
        breaker = breaker.failed(ReplyRejected("nonsense"), START)
        waits.append(open_for_s(breaker))
    assert waits[:5] == [30, 60, 120, 240, 300]
    assert set(waits[5:]) == {300}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (SourceDenied("revoked"), 300),
        (SourceUnavailable("busy", retry_after_s=90), 90),
        (SourceUnavailable("busy", retry_after_s=1), 30),
        (SourceUnavailable("busy", retry_after_s=3600), 300),
    ],
)
def test_what_the_source_said_counts(error: CertsError, seconds: float) -> None:
    assert open_for_s(Breaker().failed(error, START)) == seconds
