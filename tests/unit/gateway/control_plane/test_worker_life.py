from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.control_plane.worker_life import SILENCE_S, Hooks, WorkerLife, World
from gateway.ipc.events import Event
from gateway.ipc.snapshot import LimitsSpec, Snapshot
from tests.fakes import worker

SNAPSHOT = Snapshot(
    number=3, identities=(), missing=(), routes=(), limits=LimitsSpec(), access_log=True
)


class Watched:
    """A life, and what came of it."""

    def __init__(self, mode: str) -> None:
        self.now = 0.0
        self.changed = asyncio.Event()
        self.events: list[Event] = []
        self.life = WorkerLife(
            0,
            World(snapshot=SNAPSHOT),
            Hooks(
                on_access=lambda _: None,
                on_event=self.events.append,
                on_change=self.changed.set,
                command=worker.command(mode),
                clock=lambda: self.now,
            ),
        )

    async def until_serving(self) -> None:
        await self._until(lambda: self.life.serves(3))

    async def until_stopped(self) -> None:
        await self._until(lambda: self.life.state == "stopped")

    async def _until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                await self.changed.wait()
                self.changed.clear()


@asynccontextmanager
async def life(mode: str = "") -> AsyncIterator[Watched]:
    watched = Watched(mode)
    task = asyncio.create_task(watched.life.run())
    try:
        yield watched
    finally:
        watched.life.kill()
        async with asyncio.timeout(10):
            await task
        assert watched.life.state == "stopped"
        assert watched.life.pid == 0


async def test_it_serves_once_it_uses_the_snapshot() -> None:
    async with life() as watched:
        assert not watched.life.serves(3)
        await watched.until_serving()
        assert not watched.life.serves(4)


async def test_one_that_was_killed_before_it_had_a_process_ends() -> None:
    async with life() as watched:
        watched.life.kill()


@pytest.mark.parametrize("order", ["retire", "drain"])
async def test_told_to_go_before_it_began_it_ends_and_cut_nothing(order: str) -> None:
    async with life() as watched:
        getattr(watched.life, order)(1.0)
        await watched.until_stopped()
        assert watched.life.cut == 0


async def test_an_expected_end_is_no_death(caplog: pytest.LogCaptureFixture) -> None:
    async with life() as watched:
        await watched.until_serving()
        watched.life.retire(None)
        await watched.until_stopped()
        assert watched.life.cut == 0
    assert "died" not in caplog.text


async def test_one_that_was_fed_and_did_not_tell_has_cut_something() -> None:
    async with life("deaf") as watched:
        await watched.until_serving()
        watched.life.drain(0.0)
    assert watched.life.cut == 1


async def test_asking_one_that_is_gone_is_answered_at_once() -> None:
    async with life() as watched:
        assert watched.life.ask().done()
        await watched.until_serving()
        asked = watched.life.ask()
        assert not asked.done()
        watched.life.kill()
        async with asyncio.timeout(10):
            await asked


async def test_silence_is_a_reason_to_kill(caplog: pytest.LogCaptureFixture) -> None:
    async with life() as watched:
        await watched.until_serving()
        watched.now += SILENCE_S
        watched.life.check(watched.now)
        assert watched.life.state == "ready"
        await watched.life.ask()
        watched.life.check(watched.now + SILENCE_S + 1)
        await watched.until_stopped()
    assert "is hung" in caplog.text
    assert "died (signal 9)" in caplog.text


async def test_a_command_that_is_not_there_is_told_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[None] = []
    hooks = Hooks(
        on_access=lambda _: None,
        on_event=lambda _: None,
        on_change=lambda: ended.append(None),
        command=["/nonexistent/worker"],
    )
    made = WorkerLife(0, World(), hooks)
    await made.run()
    assert (made.state, made.cut, ended) == ("stopped", 0, [None])
    assert "can't start a worker" in caplog.text
