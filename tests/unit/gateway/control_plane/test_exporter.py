"""Folders are kept through failures, reloads and renewals, each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from certs.clock import SystemClock
from gateway.audit.journal import AuditFailed
from gateway.config.model import ExportConfig
from gateway.control_plane.exporter import Exporter
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.views import ExportView
from tests.fakes.clock import START, FakeClock
from tests.fakes.feeds import generation

WITHIN_S = 20


class Rig:
    def __init__(self, clock: FakeClock | None = None) -> None:
        self.events: list[tuple[str, str, str, str]] = []
        self.board = IdentityBoard()
        self.journal_fails = False
        self.exporter = Exporter(self.board, self.record, self.audit, clock=clock or SystemClock())

    def record(self, action: str, *, name: str = "", reason: str = "") -> None:
        if self.journal_fails:
            raise AuditFailed("the disk is full")
        self.audit(action, name=name, reason=reason)

    def audit(self, action: str, *, outcome: str = "ok", name: str = "", reason: str = "") -> None:
        self.events.append((action, outcome, name, reason))

    async def until(self, serial: str = "", *, error: str = "", folder: int = 0) -> ExportView:
        async with asyncio.timeout(WITHIN_S):
            while True:
                view = self.exporter.views()[folder]
                if (
                    view.serial == serial
                    and error in view.error
                    and bool(error) == bool(view.error)
                ):
                    return view
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[None]:
    task = asyncio.create_task(rig.exporter.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_each_generation_is_written_and_told(tmp_path: Path) -> None:
    rig = Rig()
    rig.exporter.use({"default": (ExportConfig(folder=tmp_path / "tls"),)})
    async with running(rig):
        rig.board.put("default", generation(1))
        await rig.until("01")
        rig.board.put("default", replace(generation(2), key_pem=b"OTHER"))
        view = await rig.until("02")
    assert (tmp_path / "tls" / "svid.key").read_bytes() == b"OTHER"
    assert view.identity == "default"
    assert view.exported_at is not None
    assert rig.events == [
        ("identity.exported", "ok", str(tmp_path / "tls"), f"spiffe://acme.example/gw serial {n}")
        for n in ("01", "02")
    ]


async def test_what_has_ended_is_not_written(tmp_path: Path) -> None:
    rig = Rig()
    rig.exporter.use({"default": (ExportConfig(folder=tmp_path / "tls"),)})
    async with running(rig):
        rig.board.put("default", generation(1, lifetime_s=-1))
        rig.board.put("default", generation(2))
        await rig.until("02")
    assert [event[3][-2:] for event in rig.events] == ["02"]


async def test_a_failure_is_tried_again_and_told_once(tmp_path: Path) -> None:
    clock = FakeClock(START)
    rig = Rig(clock)
    folder = tmp_path / "missing" / "tls"
    rig.exporter.use({"default": (ExportConfig(folder=folder),)})
    async with running(rig):
        rig.board.put("default", generation(1))
        await rig.until(error="can't be written")
        async with asyncio.timeout(WITHIN_S):
            for _ in range(3):
                while not clock.longest_sleep_s:
                    await asyncio.sleep(0.01)
                await clock.advance(clock.longest_sleep_s)
        assert [event[:2] for event in rig.events] == [("identity.exported", "failed")]
        folder.parent.mkdir()
        async with asyncio.timeout(WITHIN_S):
            while rig.exporter.views()[0].error:
                await clock.advance(60)
                await asyncio.sleep(0.01)
    assert [event[1] for event in rig.events] == ["failed", "ok"]
    assert (folder / "svid.pem").exists()


async def test_what_the_journal_doesnt_take_is_not_written(tmp_path: Path) -> None:
    rig = Rig()
    rig.journal_fails = True
    rig.exporter.use({"default": (ExportConfig(folder=tmp_path / "tls"),)})
    async with running(rig):
        rig.board.put("default", generation(1))
        await rig.until(error="the disk is full")
        assert not list((tmp_path / "tls").glob("*"))
        rig.journal_fails = False
        rig.board.tell()
        await rig.until("01")


async def test_another_configuration_changes_only_what_it_names(tmp_path: Path) -> None:
    rig = Rig()
    one, two = (ExportConfig(folder=tmp_path / name) for name in ("one", "two"))
    rig.exporter.use({"default": (one,), "other": ()})
    rig.board.put("default", generation(1))
    rig.board.put("other", replace(generation(5), key_pem=b"FIVE"))
    async with running(rig):
        await rig.until("01")
        rig.exporter.use({"default": (one,), "other": (two,)})
        await rig.until("05", folder=1)
        rig.exporter.use({"other": (two,)})
        rig.board.put("default", generation(2))
        rig.board.put("other", replace(generation(6), key_pem=b"SIX"))
        await rig.until("06")
    assert (tmp_path / "two" / "svid.key").read_bytes() == b"SIX"
    assert (tmp_path / "one" / "svid.key").read_bytes() == b"KEY"
    assert len(rig.events) == 3


async def test_a_hook_that_fails_is_shown_and_the_files_are_there(tmp_path: Path) -> None:
    rig = Rig()
    wanted = ExportConfig(folder=tmp_path / "tls", command=("/bin/false",))
    rig.exporter.use({"default": (wanted,)})
    async with running(rig):
        rig.board.put("default", generation(1))
        await rig.until("01", error="/bin/false failed with exit code 1")
        # The same set found there by the next one isn't told again.
        rig.exporter.use({})
        rig.exporter.use({"default": (replace(wanted, signal="HUP"),)})
        await rig.until("01")
    assert datetime.now(UTC) > START
