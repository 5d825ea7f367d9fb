from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.audit.files import lines_of
from gateway.audit.journal import Journal
from gateway.control_plane.forwarding.record import Record, record_of

Records = Callable[..., Awaitable[list[Record]]]


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Makes so many records of a real journal."""

    def make(*names: str, outcome: str = "ok", action: str = "secret.use") -> list[Record]:
        journal = Journal(tmp_path / "audit.jsonl", project="acme")
        for name in names:
            journal.record(action, outcome=outcome, name=name, reason="planner")
        found = [record_of(line) for line in lines_of(journal.path)][-len(names) :]
        return [item for item in found if item]

    async def made(*names: str, outcome: str = "ok", action: str = "secret.use") -> list[Record]:
        return await asyncio.to_thread(make, *names, outcome=outcome, action=action)

    return made
