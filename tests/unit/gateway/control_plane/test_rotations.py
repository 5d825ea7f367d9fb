"""The gateway makes the steps of rotations that are due, and is told why where it can't."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config.model import SecretsConfig
from gateway.config.rotate_model import RotateConfig
from gateway.control_plane import rotations
from gateway.control_plane.rotations import RotationKeeper
from gateway.rotation.book import Book
from gateway.rotation.engine import RotationRefused
from identity.secret_stores.base import Secret, SecretRef
from tests.fakes import configs
from tests.fakes.clock import START
from tests.fakes.desks import memory_desk

REF = SecretRef("acme", "key")
WANTED = RotateConfig(name="key", provider="prompt", secret="key", grace_s=60.0)


class Bench:
    """A keeper of one rotation, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.at = START
        self.refreshed = 0
        config = replace(
            configs.config(folder), rotations=(WANTED,), secrets=SecretsConfig(store="vault")
        )
        self.desk = replace(memory_desk(config, self._refresh), now=lambda: self.at)
        self.keeper = RotationKeeper(config, lambda _: self.desk, self.desk.journal, self._refresh)

    async def _refresh(self) -> None:
        self.refreshed += 1

    async def begun(self) -> None:
        """A rotation that is in its grace."""
        await self.desk.store.set(REF, Secret("canary-old"))
        told = await self.keeper.ask("key", "start", who="uid:7", value="canary-new")
        assert told["phase"] == "grace"

    async def phase(self) -> str:
        last = await asyncio.to_thread(Book(self.desk.state).read, "key")
        return last.phase if last is not None else ""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_step_is_made_when_it_is_due(bench: Bench) -> None:
    await bench.begun()
    assert bench.refreshed == 1
    bench.at += timedelta(seconds=59)
    await bench.keeper.go_on()
    assert await bench.phase() == "grace"
    bench.at += timedelta(seconds=1)
    await bench.keeper.go_on()
    assert await bench.phase() == "done"


async def test_a_clock_that_was_set_back_is_noticed(bench: Bench) -> None:
    await bench.begun()
    bench.at -= timedelta(days=400)
    await bench.keeper.go_on()
    bench.at += timedelta(seconds=60)
    await bench.keeper.go_on()
    assert await bench.phase() == "done"


async def test_it_runs_until_it_is_cancelled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotations, "LOOK_S", 0.01)
    await bench.begun()
    running = asyncio.create_task(bench.keeper.run())
    try:
        bench.at += timedelta(seconds=60)
        async with asyncio.timeout(20):
            while await bench.phase() != "done":
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait({running})
    (view,) = await asyncio.to_thread(bench.keeper.views)
    assert view.age is not None


async def test_a_record_that_can_not_be_followed_is_told_and_ends_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.begun()
    bench.at += timedelta(seconds=60)
    await bench.desk.store.set(REF, Secret("canary-old"))
    with caplog.at_level(logging.WARNING):
        await bench.keeper.go_on()
    assert "holds the old value again" in caplog.text
    assert "canary" not in caplog.text
    assert await bench.phase() == "grace"


@pytest.mark.parametrize(
    ("action", "more", "message"),
    [
        ("resume", {"old_key": "k"}, "old_key goes with the start"),
        ("rollback", {"value": "canary-third"}, "the old value is put back"),
        ("resume", {"value": "canary-third"}, "can't be replaced any more"),
    ],
)
async def test_what_does_not_go_together_is_refused(
    bench: Bench, action: str, more: dict[str, str], message: str
) -> None:
    await bench.begun()
    with pytest.raises(RotationRefused, match=message):
        await bench.keeper.ask("key", action, who="uid:7", **more)
    assert await bench.phase() == "grace"
