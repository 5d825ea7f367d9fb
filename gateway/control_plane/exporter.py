"""Keeps the folders that identities are exported to, each by a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from certs.clock import Clock
from certs.errors import ExportFailed
from certs.export_folder import export, files_of
from certs.generation import Generation
from gateway.audit.journal import AuditFailed
from gateway.config.model import ExportConfig
from gateway.control_plane.export_hook import (
    HookFailed,
    hook_environment,
    run_command,
    send_signal,
)
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.views import ExportView
from identity.fault import Fault

_LOG: Final = logging.getLogger(__name__)
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0


class Record(Protocol):
    """Writes an event down at once; see `Journal.record`."""

    def __call__(self, action: str, *, name: str = "", reason: str = "") -> None: ...


class Audit(Protocol):
    """Takes events; see `AuditQueue.put`."""

    def __call__(
        self, action: str, *, outcome: str = "ok", name: str = "", reason: str = ""
    ) -> None: ...


@dataclass(slots=True)
class _Folder:
    """One folder: what is known of it, and the task that keeps it."""

    identity: str
    wanted: ExportConfig
    task: asyncio.Task[None] | None = None
    generation: Generation | None = None
    exported_at: datetime | None = None
    error: str = ""

    def view(self) -> ExportView:
        return ExportView(
            identity=self.identity,
            folder=str(self.wanted.folder),
            serial=self.generation.serial if self.generation else "",
            exported_at=self.exported_at,
            error=self.error,
        )


class Exporter:
    """Writes each usable generation to the folders that its identity names.

    Each change is in the journal before it happens: `record` writes it down, in a thread, and
    raises `AuditFailed` where it can't; `audit` takes what need not be on paper first.

    What fails is tried again, ever more slowly, and is in the view; the old set stays meanwhile. A
    certificate that ended or was withdrawn is not exported, and its files are left as they are.
    """

    def __init__(self, board: IdentityBoard, record: Record, audit: Audit, *, clock: Clock) -> None:
        self._board = board
        self._record = record
        self._audit = audit
        self._clock = clock
        self._folders: dict[tuple[str, ExportConfig], _Folder] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def use(self, wanted: Mapping[str, tuple[ExportConfig, ...]]) -> None:
        """Keep these folders, by identity, from now on. Files of others are left as they are."""
        before, self._folders = self._folders, {}
        for name, exports in wanted.items():
            for item in exports:
                key = (name, item)
                kept = before.pop(key) if key in before else self._start(_Folder(name, item))
                self._folders[key] = kept
        for folder in before.values():
            if folder.task is not None:
                folder.task.cancel()

    def views(self) -> tuple[ExportView, ...]:
        """How it stands with each folder."""
        return tuple(folder.view() for folder in self._folders.values())

    async def run(self) -> None:
        """Export for ever; cancelled at the end."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for folder in self._folders.values():
                self._start(folder)
            await asyncio.Event().wait()

    def _start(self, folder: _Folder) -> _Folder:
        if self._tasks is not None:
            folder.task = self._tasks.create_task(self._keep(folder))
        return folder

    async def _keep(self, folder: _Folder) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            version = self._board.version
            generation = self._board.usable(folder.identity, self._clock.now())
            if generation is None or generation == folder.generation:
                await self._board.changed(version)
                continue
            try:
                await self._export(folder, generation)
                wait_s = _FIRST_WAIT_S
            except (ExportFailed, AuditFailed) as error:
                self._note(folder, error)
                await self._changed_or(wait_s, version)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _changed_or(self, wait_s: float, version: int) -> None:
        waiting = [
            asyncio.create_task(self._board.changed(version)),
            asyncio.create_task(self._clock.sleep(wait_s)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _note(self, folder: _Folder, error: Fault) -> None:
        path = str(folder.wanted.folder)
        if str(error) != folder.error:
            _LOG.error(
                "the identity can't be exported: %s",
                error,
                extra={"event": "export_failed", "hint": error.hint},
            )
            self._audit("identity.exported", outcome="failed", name=path, reason=str(error))
        folder.error = str(error)

    async def _export(self, folder: _Folder, generation: Generation) -> None:
        wanted = folder.wanted
        files = files_of(
            key_pem=generation.key_pem,
            chain_pem=generation.chain_pem,
            bundle_pem=generation.bundle_pem,
            combined=wanted.combined,
        )
        what = f"{generation.spiffe_id or 'certificate'} serial {generation.serial}"
        name = str(wanted.folder)
        is_new = await asyncio.to_thread(
            export,
            wanted.folder,
            files,
            beforehand=lambda: self._record("identity.exported", name=name, reason=what),
        )
        folder.generation, folder.error = generation, ""
        folder.exported_at = self._clock.now()
        if not is_new:
            return
        _LOG.info("exported %s to %s", what, wanted.folder, extra={"event": "exported"})
        await self._tell(folder, generation)

    async def _tell(self, folder: _Folder, generation: Generation) -> None:
        wanted = folder.wanted
        try:
            if wanted.command:
                more = hook_environment(
                    wanted.folder, generation.spiffe_id, generation.serial, folder.identity
                )
                await run_command(wanted.command, more)
            if wanted.signal and wanted.pid_file is not None:
                await asyncio.to_thread(send_signal, wanted.signal, wanted.pid_file)
        except HookFailed as error:
            folder.error = str(error)
            _LOG.warning(
                "exported to %s, but: %s",
                wanted.folder,
                error,
                extra={"event": "export_hook_failed", "hint": error.hint},
            )
