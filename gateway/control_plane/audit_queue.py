"""Audit events that need not be on paper before their cause goes on, written in order."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.audit.event import MAX_TEXT
from gateway.audit.journal import AuditFailed, Journal

_LOG: Final = logging.getLogger(__name__)

#: Events that may wait for a slow disk.
MAX_WAITING: Final = 1000

_Event = tuple[str, str, str, str]


class AuditQueue:
    """Takes events from the loop at once and writes them in a thread. `run` is its one task.

    When the disk can't follow, events are dropped until those that wait are written; a line
    `audit.dropped` then stands in their place and says how many they were.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: asyncio.Queue[_Event] = asyncio.Queue(MAX_WAITING)
        self._dropped = 0

    def put(self, action: str, *, outcome: str = "ok", name: str = "", reason: str = "") -> None:
        """Queue one event; the fields are those of `Journal.record`."""
        if self._waiting.full() or self._dropped:
            self._dropped += 1
        else:
            self._waiting.put_nowait((action, outcome, name[:MAX_TEXT], reason[:MAX_TEXT]))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._write(await self._waiting.get())
            if self._waiting.empty():
                await self._tell_dropped()

    async def flush(self) -> None:
        """Write what is left, after `run` has ended."""
        while not self._waiting.empty():
            await self._write(self._waiting.get_nowait())
        await self._tell_dropped()

    async def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            await self._write(("audit.dropped", "failed", "", f"{dropped} events"))

    async def _write(self, event: _Event) -> None:
        action, outcome, name, reason = event
        try:
            await asyncio.to_thread(
                self._journal.record, action, outcome=outcome, name=name, reason=reason
            )
        except AuditFailed as failed:
            _LOG.error("%s", failed, extra={"event": "audit_failed", "hint": failed.hint})
