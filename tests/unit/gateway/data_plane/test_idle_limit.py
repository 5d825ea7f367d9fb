"""What is learned from an upstream that closes idle connections."""

from __future__ import annotations

import pytest

from gateway.data_plane.idle_limit import IdleLimit


def limit_of(seconds: float) -> IdleLimit:
    made = IdleLimit()
    made.configure(seconds)
    return made


def test_two_of_the_same_length_show_the_upstreams_limit() -> None:
    limit = limit_of(50.0)
    assert not limit.closed(5.01, 100.0)
    assert limit.seconds == 50.0
    assert limit.closed(5.0, 110.0)
    assert limit.seconds == 4.0


@pytest.mark.parametrize(
    ("idle_s", "kept_s"), [(60.0, 59.0), (2.0, 1.5), (0.4, pytest.approx(0.3))]
)
def test_ours_is_shorter_by_a_second_or_a_quarter(idle_s: float, kept_s: float) -> None:
    limit = limit_of(100.0)
    limit.closed(idle_s, 100.0)
    assert limit.closed(idle_s, 200.0)
    assert limit.seconds == kept_s


def test_a_server_that_ends_closes_all_at_one_moment_and_shows_nothing() -> None:
    limit = limit_of(50.0)
    for _ in range(5):
        assert not limit.closed(5.0, 100.0)
    assert not limit.closed(7.3, 130.0), "after another time"
    assert not limit.closed(31.0, 190.0)
    assert limit.seconds == 50.0


def test_only_a_shorter_one_counts() -> None:
    limit = limit_of(3.0)
    limit.closed(5.0, 100.0)
    assert not limit.closed(5.0, 110.0)
    assert limit.seconds == 3.0
    limit.closed(2.0, 120.0)
    assert limit.closed(2.0, 130.0)
    assert limit.seconds == 1.5


def test_what_was_learned_outlasts_another_configuration() -> None:
    limit = limit_of(50.0)
    limit.closed(5.0, 100.0)
    limit.closed(5.0, 110.0)
    limit.configure(2.0)
    assert limit.seconds == 2.0
    limit.configure(30.0)
    assert limit.seconds == 4.0
