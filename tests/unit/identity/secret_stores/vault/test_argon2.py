"""`identity.secret_stores.vault.argon2`."""

from __future__ import annotations

import pytest

from identity.secret_stores.vault.argon2 import (
    FLOOR,
    MAX_MEMORY_KIB,
    MAX_PASSES,
    MIN_MEMORY_KIB,
    USUAL,
    Cost,
    CostRefused,
    calibrate,
    passphrase_key,
)

SALT = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("memory_kib", "passes", "lanes"),
    [
        (64 * 1024 * 1024, 3, 4),  # 64 GiB
        (MAX_MEMORY_KIB + 1, 3, 4),
        (MIN_MEMORY_KIB - 1, 3, 4),
        (65_536, 1, 4),
        (65_536, 17, 4),
        (65_536, 3, 0),
        (65_536, 3, 9),
        (-1, 3, 4),
        (True, 3, 4),
        (65_536.0, 3, 4),
        ("65536", 3, 4),
        (None, 3, 4),
    ],
)
def test_a_cost_out_of_bounds_is_refused_before_it_is_spent(
    memory_kib: int, passes: int, lanes: int
) -> None:
    with pytest.raises(CostRefused):
        Cost(memory_kib=memory_kib, passes=passes, lanes=lanes)


def test_the_floor_is_owasps_minimum() -> None:
    assert (FLOOR.memory_kib, FLOOR.passes, FLOOR.lanes) == (19 * 1024, 2, 1)


def test_every_part_of_a_cost_changes_the_key() -> None:
    costs = (FLOOR, Cost(memory_kib=20 * 1024, passes=2, lanes=1))
    keys = {passphrase_key("passphrase", SALT, cost) for cost in costs}
    keys |= {passphrase_key("passphrase", SALT, Cost(memory_kib=19_456, passes=3, lanes=1))}
    keys |= {passphrase_key("Passphrase", SALT, FLOOR)}
    keys |= {passphrase_key("passphrase", SALT[::-1], FLOOR)}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(CostRefused):
        passphrase_key("passphrase", b"", FLOOR)


def seconds_of(cost: Cost, *, gib_s: float) -> float:
    """A machine that fills memory at this speed."""
    return cost.memory_kib / 1024 / 1024 * cost.passes / gib_s


@pytest.mark.parametrize("gib_s", [0.01, 0.05, 0.1, 0.5, 1.0, 4.0, 40.0])
def test_calibration_comes_near_its_target_within_bounds(gib_s: float) -> None:
    cost = calibrate(lambda cost: seconds_of(cost, gib_s=gib_s), target_s=0.5)
    took = seconds_of(cost, gib_s=gib_s)
    assert took <= 0.5 or cost == FLOOR
    assert took > 0.125 or (cost.memory_kib, cost.passes) == (MAX_MEMORY_KIB, MAX_PASSES)


def test_calibration_keeps_to_the_memory_that_there_is() -> None:
    fast = calibrate(lambda cost: 1e-6, target_s=0.5, memory_kib=128 * 1024)
    assert (fast.memory_kib, fast.passes) == (128 * 1024, MAX_PASSES)
    tiny = calibrate(lambda cost: 0.4, target_s=0.5, memory_kib=1024)
    assert tiny == Cost(memory_kib=MIN_MEMORY_KIB, passes=USUAL.passes, lanes=USUAL.lanes)
    slow = calibrate(lambda cost: 60.0, target_s=0.5)
    assert slow == FLOOR
