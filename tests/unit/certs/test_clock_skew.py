"""How far this machine's clock is from another's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from certs import clock_skew

DATE = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("part_s", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("skew_s", [-7200.0, -0.2, 0.0, 45.0])
def test_the_estimate_is_right_within_the_grain_and_the_way(part_s: float, skew_s: float) -> None:
    made = DATE + timedelta(seconds=part_s + skew_s)
    sent, received = made - timedelta(seconds=0.1), made + timedelta(seconds=0.4)
    found = clock_skew.ahead_s(DATE, sent=sent, received=received)
    assert found == pytest.approx(skew_s, abs=0.75)


def test_small_differences_and_unknown_ones_are_no_news() -> None:
    for skew_s in (None, 0.0, 29.9, -29.9):
        assert clock_skew.remark(skew_s) == ""
        assert not clock_skew.is_large(skew_s)


def test_large_ones_are_told_with_their_direction() -> None:
    assert clock_skew.remark(30.0) == "this machine's clock is 30 s ahead of the server's"
    assert (
        clock_skew.remark(-90.0, "the issuer's")
        == "this machine's clock is 90 s behind the issuer's"
    )
