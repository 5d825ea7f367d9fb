"""Audit events that need not be on paper before their cause goes on, written in order."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.audit.journal import AuditFailed, Journal

_LOG: Final = logging.getLogger(__name__)


class AuditQueue:
    """Takes events from the loop at once and writes them in a thread. `run` is its one task."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: asyncio.Queue[tuple[str, str, str, str]] = asyncio.Queue()

    def put(self, action: str, *, outcome: str = "ok", name: str = "", reason: str = "") -> None:
        """Queue one event; the fields are those of `Journal.record`."""
        self._waiting.put_nowait((action, outcome, name, reason))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._write(await self._waiting.get())

    async def flush(self) -> None:
        """Write what is left, after `run` has ended."""
        while not self._waiting.empty():
            await self._write(self._waiting.get_nowait())

    async def _write(self, event: tuple[str, str, str, str]) -> None:
        action, outcome, name, reason = event
        try:
            await asyncio.to_thread(
                self._journal.record, action, outcome=outcome, name=name, reason=reason
            )
        except AuditFailed as failed:
            _LOG.error("%s", failed, extra={"event": "audit_failed", "hint": failed.hint})
