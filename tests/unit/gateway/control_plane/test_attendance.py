from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.model import Limits
from gateway.control_plane.attendance import Attendance, Condition, longest_end_s
from gateway.service.manager import ServiceManager
from tests.fakes.service_manager import FakeServiceManager

RUNNING = Condition(phase="running", lingers=False, routes=1, lacking=(), config_error="")


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[FakeServiceManager]:
    with FakeServiceManager(str(tmp_path / "notify")) as made:
        yield made


class Told:
    def __init__(self, heard: FakeServiceManager, *, watchdog_s: float = 0.0) -> None:
        self.condition = RUNNING
        manager = ServiceManager(heard.name, watchdog_s=watchdog_s, clock=lambda: 1.0)
        self.attendance = Attendance(manager, lambda: self.condition)


def test_lines_for_people() -> None:
    assert str(RUNNING) == "serving 1 route"
    lacking = replace(RUNNING, routes=2, lacking=("a", "b"), config_error="routes: none")
    assert str(lacking) == (
        "serving 2 routes; no certificate: a, b; the changed configuration was refused: routes: "
        "none"
    )
    assert str(replace(RUNNING, phase="starting")) == "starting"
    draining = replace(RUNNING, phase="draining")
    assert str(draining) == "draining"
    assert str(replace(draining, lingers=True)) == "serving until nobody calls any more"


def test_the_longest_end() -> None:
    limits = Limits(linger_timeout_s=60.0, drain_timeout_s=30.0)
    assert longest_end_s(limits, lingers=False) == 50.0
    assert longest_end_s(limits, lingers=True) == 110.0


@pytest.mark.may_block("the manager's socket is read in the test's own loop")
async def test_the_loop_s_life_is_told_until_the_end(heard: FakeServiceManager) -> None:
    told = Told(heard, watchdog_s=0.02)
    async with told.attendance.kept():
        import asyncio

        await asyncio.sleep(0.1)
    assert heard.hear() == "EXTEND_TIMEOUT_USEC=60000000"
    assert [heard.hear() for _ in range(4)] == [
        "WATCHDOG=1",
        "STATUS=serving 1 route",
        "WATCHDOG=1",
        "WATCHDOG=1",
    ]


def test_the_start_and_the_end(heard: FakeServiceManager) -> None:
    told = Told(heard)
    told.attendance.settling(40.0)
    told.attendance.settled()
    told.condition = replace(RUNNING, phase="draining")
    told.attendance.ending(Limits(drain_timeout_s=5.0), lingers=False)
    assert [heard.hear() for _ in range(5)] == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "STATUS=serving 1 route",
        "READY=1",
        "STATUS=draining",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000",
    ]


@pytest.mark.may_block("the manager's socket is read in the test's own loop")
async def test_a_reload_ends_ready_also_when_it_is_refused(heard: FakeServiceManager) -> None:
    told = Told(heard)
    with pytest.raises(ValueError, match="bad"):
        async with told.attendance.reload():
            told.condition = replace(RUNNING, config_error="bad")
            raise ValueError("bad")
    assert [heard.hear() for _ in range(3)] == [
        "RELOADING=1\nMONOTONIC_USEC=1000000",
        "STATUS=serving 1 route; the changed configuration was refused: bad",
        "READY=1",
    ]


@pytest.mark.may_block("the manager's socket is read in the test's own loop")
async def test_a_reload_before_the_start_or_into_the_end_is_not_told(
    heard: FakeServiceManager,
) -> None:
    told = Told(heard)
    told.condition = replace(RUNNING, phase="starting")
    async with told.attendance.reload():
        told.condition = RUNNING
    async with told.attendance.reload():
        told.condition = replace(RUNNING, phase="draining")
    told.attendance.settling(0.0)
    assert heard.hear().startswith("RELOADING=1")
    assert heard.hear().startswith("EXTEND_TIMEOUT_USEC=")
