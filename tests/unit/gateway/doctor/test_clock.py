"""From which difference on clocks are worth a word, and from which on a failure."""

from __future__ import annotations

import pytest

from gateway.doctor.clock import judge


@pytest.mark.parametrize(
    ("skew_s", "result"),
    [
        (0.0, "pass"),
        (-29.9, "pass"),
        (30.0, "warn"),
        (-299.9, "warn"),
        (300.0, "fail"),
        (-90_000.0, "fail"),
    ],
)
def test_bounds(skew_s: float, result: str) -> None:
    found = judge({"the issuer": skew_s, "the upstream of planner": None})
    assert found.result == result
    assert bool(found.remedy) == (result != "pass")


def test_whose_and_by_how_much() -> None:
    found = judge({"the issuer": -45.0, "the upstream of planner": 0.5})
    assert found.detail == "this machine's clock is 45 s behind that of the issuer"


def test_nobody_told() -> None:
    assert judge({"the issuer": None}).result == "skip"
