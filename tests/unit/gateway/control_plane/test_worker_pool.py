from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.control_plane.worker_pool import WorkerPool, restart_delay_s
from gateway.ipc.frames import Kind
from gateway.ipc.snapshot import LimitsSpec, Snapshot
from tests.fakes import worker

SNAPSHOT = Snapshot(
    number=1, identity=None, identity_reason="", routes=(), limits=LimitsSpec(), access_log=True
)


def test_the_first_restart_is_immediate_and_later_ones_wait_up_to_10_s() -> None:
    delays = [restart_delay_s(failures) for failures in range(1, 12)]
    assert delays[:4] == [0.0, 0.25, 0.5, 1.0]
    assert delays == sorted(delays)
    assert delays[-1] == 10.0
    assert restart_delay_s(10_000) == 10.0


@asynccontextmanager
async def pool(mode: str = "", *, count: int = 1) -> AsyncIterator[WorkerPool]:
    def ignore(_: object) -> None:
        pass

    made = WorkerPool(count, on_access=ignore, on_event=ignore, command=worker.command(mode))
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.kill()
        async with asyncio.timeout(10):
            await task


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.01)


async def test_a_worker_that_always_dies_is_a_visible_crash_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with pool("crash") as made:
        await until(lambda: made.views[0].state == "crash-loop")
        assert made.views[0].restarts >= 3
    assert "died (exit code 1)" in caplog.text
    assert "worker wrote: cannot go on" in caplog.text


async def test_wait_applied_tells_whether_the_workers_followed() -> None:
    async with pool(count=2) as made:
        assert not await made.wait_applied(1, 0.05)
        made.publish(SNAPSHOT, [])
        assert await made.wait_applied(1, 10)
        assert [view.snapshot for view in made.views] == [1, 1]


async def test_a_pool_without_connections_drains_at_once() -> None:
    async with pool(count=2) as made:
        made.publish(SNAPSHOT, [])
        assert await made.wait_applied(1, 10)
        async with asyncio.timeout(3):
            assert await made.drain(30) == 0


async def test_a_worker_that_ignores_the_drain_is_killed_after_its_deadline() -> None:
    async with pool("deaf") as made:
        made.publish(SNAPSHOT, [])
        assert await made.wait_applied(1, 10)
        pid = made.views[0].pid
        drain = asyncio.create_task(made.drain(-1.8))
        async with asyncio.timeout(5):
            assert await drain == 1
        await until(lambda: made.views[0].state == "stopped")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_that_never_says_ready_ends_with_the_pool() -> None:
    async with pool("mute") as made:
        await until(lambda: made.views[0].pid != 0)
        assert made.views[0].state == "starting"
        pid = made.views[0].pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.EVENT, "[]"),
        (Kind.EVENT, '"x"'),
        (Kind.STATS, "[" * 100_000),
        (Kind.STATS, '{"pid":1,"snapshot":1,"routes":{"planner":{"requests":[1]}}}'),
        (Kind.APPLIED, '{"number":Infinity}'),
        (Kind.DRAINED, "{}"),
        (Kind.READY, "{}"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_worker_that_talks_nonsense_is_replaced_and_nothing_else_happens(
    kind: Kind, payload: str
) -> None:
    async with pool(f"babbling:{kind.value}:{payload}") as made:
        made.publish(SNAPSHOT, [])
        assert await made.wait_applied(1, 10)
        before = made.views[0].pid
        await made.refresh_stats()
        await until(lambda: made.views[0].state == "ready" and made.views[0].pid != before)
        assert made.views[0].restarts == 1


async def test_a_worker_inherits_no_variable_that_could_be_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLANNER_TOKEN", "hunter2")
    async with pool() as made:
        await until(lambda: made.views[0].state == "ready")
        with open(f"/proc/{made.views[0].pid}/environ", "rb") as file:  # noqa: ASYNC230, PTH123
            environment = file.read()
    assert b"hunter2" not in environment
    assert b"PATH=" in environment


async def test_cancelling_the_pool_leaves_no_process() -> None:
    def ignore(_: Any) -> None:
        pass

    made = WorkerPool(1, on_access=ignore, on_event=ignore, command=worker.command())
    task = asyncio.create_task(made.run())
    await until(lambda: made.views[0].state == "ready")
    pid = made.views[0].pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
