"""When callers count as gone, and what ends the waiting for it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control_plane import linger
from gateway.control_plane.linger import Calls, Linger, Quiet


def test_nobody_has_called_for_the_time() -> None:
    quiet = Quiet(3.0, now=100.0)
    assert not quiet.over(Calls(0, 7), 100.0)
    assert not quiet.over(Calls(0, 7), 102.9)
    assert quiet.over(Calls(0, 7), 103.0)


def test_an_open_connection_is_a_caller() -> None:
    quiet = Quiet(3.0, now=0.0)
    assert not quiet.over(Calls(1, 7), 60.0)
    assert not quiet.over(Calls(0, 7), 62.9)
    assert quiet.over(Calls(0, 7), 63.0)


def test_a_request_between_two_looks_is_one_too() -> None:
    quiet = Quiet(3.0, now=0.0)
    assert not quiet.over(Calls(0, 7), 0.0)
    assert not quiet.over(Calls(0, 8), 2.9)
    assert not quiet.over(Calls(0, 8), 5.8)
    assert quiet.over(Calls(0, 8), 5.9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(0.1, 5.0)), max_size=40))
def test_it_is_never_over_while_somebody_called_lately(looks: list[tuple[int, int, float]]) -> None:
    quiet = Quiet(3.0, now=0.0)
    now, made, last = 0.0, 0, 0.0
    quiet.over(Calls(0, 0), now)
    for is_open, more, pause in looks:
        now, made = now + pause, made + more
        last = now if is_open or more else last
        assert quiet.over(Calls(is_open, made), now) == (now - last >= 3.0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes between two looks."""
    monkeypatch.setattr(linger, "_LOOK_S", 0.0)


async def busy() -> Calls:
    """Somebody calls for ever."""
    return Calls(1, 0)


@pytest.mark.usefixtures("at_once")
async def test_it_ends_when_told() -> None:
    waited = Linger()
    assert not waited.goes_on
    waited.begin()
    task = asyncio.create_task(waited.wait(3600.0, busy))
    await asyncio.sleep(0)
    assert waited.goes_on
    waited.end()
    await asyncio.wait_for(task, 20.0)
    assert not waited.goes_on


@pytest.mark.usefixtures("at_once")
async def test_it_ends_at_the_limit() -> None:
    waited = Linger()
    waited.begin()
    await asyncio.wait_for(waited.wait(0.05, busy), 20.0)
    assert not waited.goes_on


async def test_it_does_not_begin_by_itself() -> None:
    await asyncio.wait_for(Linger().wait(3600.0, busy), 20.0)
