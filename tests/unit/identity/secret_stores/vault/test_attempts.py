"""`identity.secret_stores.vault.attempts`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from identity.errors import StoreUnavailable, UnlockRefused
from identity.secret_stores.vault.attempts import Attempts, attempt


def fail(path: Path, now: float) -> str:
    """One failed attempt; what was said."""
    with pytest.raises(UnlockRefused) as refused, attempt(path, lambda: now):
        raise UnlockRefused("wrong")
    return str(refused.value)


def test_waiting_doubles_after_the_third_failure() -> None:
    waits = [Attempts(count, 100.0).wait_s(100.0) for count in range(14)]
    assert waits[:7] == [0, 0, 0, 2, 4, 8, 16]
    assert waits[-1] == 300
    assert Attempts(10**9, 100.0).wait_s(100.0) == 300
    assert Attempts(4, 100.0).wait_s(103.0) == 1
    assert Attempts(4, 100.0).wait_s(104.0) == 0


def test_too_soon_is_refused_until_the_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "state" / "attempts"
    assert [fail(path, 100.0) for _ in range(3)] == ["wrong"] * 3
    assert fail(path, 101.0) == "too many attempts to unlock failed: try again in 1 s"
    assert fail(path, 102.0) == "wrong"
    assert fail(path, 105.9).startswith("too many")
    with attempt(path, lambda: 106.0):
        pass
    assert fail(path, 106.0) == "wrong"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_attempt_is_counted_before_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    with attempt(path, lambda: 100.0):
        # What a process that is killed now leaves behind.
        assert json.loads(path.read_text())["failures"] == 1
    assert json.loads(path.read_text())["failures"] == 0


def test_an_attempt_that_was_given_up_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    with pytest.raises(KeyboardInterrupt), attempt(path, lambda: 100.0):
        raise KeyboardInterrupt
    assert json.loads(path.read_text())["failures"] == 0


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for _ in range(3):
        fail(path, 1e9)
    assert fail(path, 100.0).endswith("try again in 2 s")
    assert fail(path, 102.0) == "wrong"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 3_000, "[]", "null", '{"failures": "x"}', '{"failures": 1e999, "last": 0}'],
)
def test_an_unreadable_count_starts_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "attempts"
    path.write_text(text)
    assert fail(path, 100.0) == "wrong"


@pytest.mark.parametrize("last", ["NaN", "Infinity", "-Infinity", "1e300"])
def test_an_odd_time_locks_nobody_out(tmp_path: Path, last: str) -> None:
    path = tmp_path / "attempts"
    path.write_text(f'{{"failures": 3, "last": {last}}}')
    said = fail(path, 100.0)
    assert said == "wrong" or said.endswith("try again in 2 s")
    assert fail(path, 102.0) == "wrong"


def test_where_nothing_can_be_counted_nothing_is_tried(tmp_path: Path) -> None:
    (tmp_path / "attempts").mkdir()
    with (
        pytest.raises(StoreUnavailable, match="can't be counted"),
        attempt(tmp_path / "attempts", lambda: 100.0),
    ):
        pytest.fail("it was tried")
