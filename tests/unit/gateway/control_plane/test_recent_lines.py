from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control_plane.recent_lines import RecentLines

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line(number: int, **more: Any) -> bytes:
    known = {"ts": f"2026-03-01T12:00:{number % 60:02}.000Z", "id": f"ab-{number:x}", "status": 200}
    return json.dumps(known | more, separators=(",", ":")).encode() + b"\n"


def failure(number: int, **more: Any) -> bytes:
    return line(number, status=502, stage="tls", detail="no", **more)


def ids(lines: list[dict[str, Any]]) -> list[str]:
    return [str(item["id"]) for item in lines]


def test_a_request_is_found_by_its_whole_id() -> None:
    recent = RecentLines()
    recent.take(line(0x1A) + line(0x1AB))
    recent.take(failure(0x1))
    assert ids(recent.find("ab-1a")) == ["ab-1a"]
    assert ids(recent.find("ab-1")) == ["ab-1"]
    assert recent.find("ab-2") == []


@pytest.mark.parametrize("key", ["", "-", 'ab-1"', "ab-1\n", "AB-1", "0" * 31, "*", "ab-1 OR 1"])
def test_what_is_no_id_finds_nothing(key: str) -> None:
    recent = RecentLines()
    recent.take(line(1))
    assert recent.find(key) == []


def test_the_requests_of_a_trace_are_found_together_in_the_order_of_time() -> None:
    recent = RecentLines()
    of_trace = f"00-{TRACE}-00f067aa0ba902b7-01"
    recent.take(line(3, traceparent=of_trace) + line(2, path=f"/-{TRACE}-"))
    recent.take(failure(1, traceparent=of_trace))
    assert ids(recent.find(TRACE)) == ["ab-1", "ab-3"]
    assert recent.find("00f067aa0ba902b7" * 2) == []


def test_the_latest_are_given_oldest_first() -> None:
    recent = RecentLines()
    for number in range(10):
        recent.take(line(2 * number) + failure(2 * number + 1))
    assert ids(recent.latest(3, failed=False)) == ["ab-11", "ab-12", "ab-13"]
    assert ids(recent.latest(2, failed=True)) == ["ab-11", "ab-13"]
    assert len(recent.latest(1000, failed=True)) == 10


def test_failures_outlast_a_crowd_of_others_and_both_have_an_end() -> None:
    recent = RecentLines(most_recent=10_000, most_failures=1_000)
    for number in range(100):
        recent.take(failure(number))
    for number in range(1000):
        recent.take(line(number))
    assert 0 < len(recent.latest(1000, failed=True)) * len(failure(99)) <= 1_100
    assert 0 < len(recent.latest(1000, failed=False)) * len(line(999)) <= 10_100
    assert recent.latest(1, failed=True)[0]["id"] == "ab-63"


def test_a_value_that_looks_like_a_failure_is_none() -> None:
    recent = RecentLines()
    recent.take(line(1, path=',"stage":"x"'))
    assert recent.latest(5, failed=True) == []


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_whatever_a_worker_writes_is_survived(pieces: list[bytes]) -> None:
    recent = RecentLines(most_recent=200, most_failures=100)
    for piece in pieces:
        recent.take(piece)
        recent.take(b'[1,"stage":"' + piece + b',"stage":"\n[]\n')
    recent.take(line(1, stage="tls"))
    assert ids(recent.find("ab-1")) == ["ab-1"]
    assert all(isinstance(item, dict) for item in recent.latest(100, failed=True))
    assert all(isinstance(item, dict) for item in recent.latest(100, failed=False))
