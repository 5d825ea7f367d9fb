from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import TcpAddress
from gateway.control_plane.listeners import OpenListener
from gateway.control_plane.worker_pool import MOST_RETIRING, WorkerPool, restart_delay_s
from gateway.errors import ReplacementFailed
from gateway.ipc.events import Event
from gateway.ipc.frames import Kind
from gateway.ipc.snapshot import LimitsSpec, ListenerSpec, Snapshot
from tests.fakes import worker
from tests.fakes.routes import route_spec

SNAPSHOT = Snapshot(
    number=1, identities=(), missing=(), routes=(), limits=LimitsSpec(), access_log=True
)


def test_the_first_restart_is_immediate_and_later_ones_wait_up_to_10_s() -> None:
    delays = [restart_delay_s(failures) for failures in range(1, 12)]
    assert delays[:4] == [0.0, 0.25, 0.5, 1.0]
    assert delays == sorted(delays)
    assert delays[-1] == 10.0
    assert restart_delay_s(10_000) == 10.0


@asynccontextmanager
async def pool(
    mode: str = "", *, count: int = 1, on_event: Callable[[Event], None] | None = None
) -> AsyncIterator[WorkerPool]:
    def ignore(_: object) -> None:
        pass

    made = WorkerPool(
        count, on_access=ignore, on_event=on_event or ignore, command=worker.command(mode)
    )
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


async def ready(made: WorkerPool) -> list[int]:
    """Wait until all workers use the snapshot; their pids."""
    made.publish(SNAPSHOT, [])
    assert await made.wait_applied(1, 10)
    return [view.pid for view in made.views]


def shown(made: WorkerPool) -> list[tuple[int, str]]:
    return [(view.pid, view.state) for view in made.views]


async def test_fresh_workers_take_over_and_the_old_ones_end() -> None:
    async with pool(count=2) as made:
        before = await ready(made)
        await made.replace(None)
        after = [view.pid for view in made.views[:2]]
        assert not set(before) & set(after)
        assert [view.state for view in made.views[:2]] == ["ready", "ready"]
        assert [view.snapshot for view in made.views[:2]] == [1, 1]
        await until(lambda: len(made.views) == 2)
        assert sum(view.restarts for view in made.views) == 0, "nobody died"
        for pid in before:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_an_old_worker_that_carries_something_stays_and_follows() -> None:
    async with pool("holding") as made:
        (before,) = await ready(made)
        await made.replace(None)
        (after,) = [view.pid for view in made.views if view.state == "ready"]
        assert shown(made) == [(after, "ready"), (before, "retiring")]
        made.publish(replace(SNAPSHOT, number=2), [])
        await until(lambda: [view.snapshot for view in made.views] == [2, 2])
        await made.refresh_stats()
        assert [view.connections for view in made.views] == [3, 3]
        await made.replace(0.5)
        await until(lambda: len(made.views) == 1)
        assert made.views[0].pid not in (before, after)


async def test_the_port_stays_open_and_the_totals_never_go_down() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    host, port = sock.getsockname()
    listener = OpenListener(id="l1", bound=TcpAddress(host, port), sockets=(sock,))
    spec = ListenerSpec(id="l1", address="l1", hosts=(), origins=())
    seen = 0
    async with pool() as made:
        made.publish(replace(SNAPSHOT, routes=(route_spec(listeners=(spec,)),)), [listener])
        assert await made.wait_applied(1, 10)
        for number in range(1, 4):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            pid = int((await reader.read()).rpartition(b"\r\n\r\n")[2])
            writer.close()
            assert pid == made.views[0].pid
            await made.refresh_stats()
            await made.replace(None)
            assert made.stats["planner"].requests["200"] >= seen
            seen = made.stats["planner"].requests["200"]
            await until(lambda: len(made.views) == 1)
            assert made.stats["planner"].requests["200"] == number
    listener.close()


async def test_a_fresh_worker_that_dies_leaves_the_old_ones_in_service(tmp_path: Path) -> None:
    breaks = tmp_path / "breaks"
    async with pool(f"unless:{breaks}", count=2) as made:
        before = await ready(made)
        breaks.touch()
        with pytest.raises(ReplacementFailed, match="a fresh worker died"):
            await made.replace(None)
        assert shown(made) == [(pid, "ready") for pid in before]
        breaks.unlink()
        await made.replace(None)
        assert not set(before) & {view.pid for view in made.views[:2]}


async def test_workers_that_never_end_are_not_heaped_up() -> None:
    async with pool("holding") as made:
        await ready(made)
        for _ in range(MOST_RETIRING):
            await made.replace(None)
        with pytest.raises(ReplacementFailed, match="still carry"):
            await made.replace(None)
        assert len(made.views) == 1 + MOST_RETIRING
        with pytest.raises(ReplacementFailed, match="still carry"):
            await made.replace(0.0)
        await until(lambda: len(made.views) == 1)
        await made.replace(None)


async def test_a_drain_ends_old_and_new(tmp_path: Path) -> None:
    async with pool("holding") as made:
        await ready(made)
        await made.replace(None)
        pids = [view.pid for view in made.views]
        assert await made.drain(10) == 0
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_a_drain_during_a_replacement_ends_all() -> None:
    async with pool() as made:
        await ready(made)
        replacement = asyncio.create_task(made.replace(None))
        await asyncio.sleep(0)
        replacement.cancel()
        assert await made.drain(10) == 0
        with pytest.raises(asyncio.CancelledError):
            await replacement
        assert [view.state for view in made.views] == ["stopped"]


async def test_a_worker_that_took_over_is_restarted_when_it_dies() -> None:
    async with pool("holding") as made:
        await ready(made)
        await made.replace(None)
        pid = made.views[0].pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: made.views[0].state == "ready" and made.views[0].pid != pid)
        assert [view.state for view in made.views] == ["ready", "retiring"]
        assert made.views[0].restarts == 1


async def test_what_is_told_of_sessions_reaches_all_workers_and_those_to_come() -> None:
    heard: list[str] = []

    def hear(event: Event) -> None:
        heard.append(event.text("message"))

    async with pool(count=2, on_event=hear) as made:
        before = await ready(made)
        made.share({"0" * 32: ("192.0.2.1", 443)})
        first = '{"' + "0" * 32 + '":["192.0.2.1",443]}'
        await until(lambda: sorted(heard) == sorted(f"{pid} {first}" for pid in before))
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: len(heard) == 3)
        assert made.views[0].pid not in before
        assert heard[2] == f"{made.views[0].pid} {first}"
        made.share({"0" * 32: None})
        await until(lambda: len(heard) == 5)
        assert all(text.endswith('":null}') for text in heard[3:])
        await made.replace(None)
        assert len(heard) == 5, "a session that is over is told to nobody"


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
        async with asyncio.timeout(30):
            assert await made.drain(30) == 0


async def test_a_worker_that_ignores_the_drain_is_killed_after_its_deadline() -> None:
    async with pool("deaf") as made:
        made.publish(SNAPSHOT, [])
        assert await made.wait_applied(1, 10)
        pid = made.views[0].pid
        drain = asyncio.create_task(made.drain(-1.8))
        async with asyncio.timeout(30):
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
