"""Time that passes when it is told to, and stands still while something works."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from certs.rehearsal.timeline import Machine, Timeline
from tests.fakes.clock import START


async def note_wakings(
    timeline: Timeline, machine: Machine, every_s: float, into: list[float]
) -> None:
    while True:
        await machine.sleep(every_s)
        into.append((timeline.now() - START).total_seconds())


async def test_sleepers_wake_in_their_order_at_their_time() -> None:
    timeline = Timeline(START)
    machine = Machine(timeline)
    thirds: list[float] = []
    fives: list[float] = []
    tasks = [
        asyncio.create_task(note_wakings(timeline, machine, 3, thirds)),
        asyncio.create_task(note_wakings(timeline, machine, 5, fives)),
    ]
    await timeline.advance(15)
    assert (thirds, fives) == ([3, 6, 9, 12, 15], [5, 10, 15])
    assert machine.now() == START + timedelta(seconds=15)
    for task in tasks:
        task.cancel()


async def test_a_machine_that_sleeps_runs_nothing_and_others_go_on() -> None:
    timeline = Timeline(START)
    here, there = Machine(timeline), Machine(timeline)
    mine: list[float] = []
    others: list[float] = []
    tasks = [
        asyncio.create_task(note_wakings(timeline, here, 10, mine)),
        asyncio.create_task(note_wakings(timeline, there, 10, others)),
    ]
    await timeline.advance(4)
    await timeline.suspend(here, 100)
    assert (mine, others) == ([], [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    assert here.now() == START + timedelta(seconds=104)
    await timeline.advance(6)
    assert mine == [110]  # 4 s before the sleep, and 6 after it
    for task in tasks:
        task.cancel()


async def test_time_stands_still_while_something_works() -> None:
    timeline = Timeline(START)
    machine = Machine(timeline)
    done, seen = asyncio.Event(), []

    async def work() -> None:
        await machine.sleep(1)
        with timeline.working():
            await done.wait()
            seen.append(machine.now())

    working = asyncio.create_task(work())
    passing = asyncio.create_task(timeline.advance(60))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not passing.done()
    done.set()
    await asyncio.gather(working, passing)
    assert seen == [START + timedelta(seconds=1)]


async def test_a_wrong_clock_is_wrong_for_its_machine_alone() -> None:
    timeline = Timeline(START)
    here, there = Machine(timeline), Machine(timeline)
    here.error = timedelta(minutes=-10)
    assert here.now() == START - timedelta(minutes=10)
    assert there.now() == START


async def test_a_task_that_waits_for_nothing_is_told() -> None:
    timeline = Timeline(START)
    timeline.inhabit(Machine(timeline))
    with pytest.raises(RuntimeError, match="has ended, or waits for something else"):
        await timeline.advance(1)
