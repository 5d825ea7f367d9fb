"""The window of a certificate, left alone and pulled forward."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from certs.issuer.renew_window import Pull, window
from tests.fakes.clock import START

LIFE = timedelta(minutes=100)


def minutes(at: datetime) -> float:
    return (at - START) / timedelta(minutes=1)


def shown(pull: Pull | None) -> tuple[float, float]:
    found = window(START, START + LIFE, pull)
    return minutes(found.start), minutes(found.end)


def pulled(at: float, within: float | None = None) -> Pull:
    span = None if within is None else timedelta(minutes=within)
    return Pull(at=START + timedelta(minutes=at), within=span)


def test_left_alone_it_is_where_clients_renew_by_their_own_rule() -> None:
    assert shown(None) == (50, 60)


@pytest.mark.parametrize(
    ("pull", "expected"),
    [
        (pulled(10), (10, 35)),
        (pulled(10, within=5), (10, 15)),
        (pulled(10, within=40), (10, 50)),
        (pulled(10, within=600), (10, 60)),
        (pulled(45), (45, 60)),
        (pulled(55), (50, 60)),
        (pulled(55, within=1), (50, 51)),
        (pulled(0), (0, 25)),
    ],
)
def test_a_pull_moves_it_forward_and_never_back(pull: Pull, expected: tuple[float, float]) -> None:
    assert shown(pull) == expected


def test_what_was_issued_after_the_pull_is_left_alone() -> None:
    assert shown(pulled(-1)) == (50, 60)


@pytest.mark.parametrize(
    ("life", "expected"),
    [(timedelta(seconds=20), 5), (timedelta(minutes=20), 60), (timedelta(hours=24), 300)],
)
def test_it_says_when_to_ask_again(life: timedelta, expected: int) -> None:
    assert window(START, START + life, None).retry_after_s == expected
