from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.control_plane.audit_queue import MAX_WAITING, AuditQueue


async def test_events_are_written_in_order_also_after_the_task_ended(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    queue = AuditQueue(Journal(path, project="acme"))
    task = asyncio.create_task(queue.run())
    for index in range(5):
        queue.put("x", name=str(index))
    await asyncio.sleep(0.05)
    task.cancel()
    queue.put("x", name="5")
    await queue.flush()
    written = [json.loads(line)["name"] for line in path.read_text().splitlines()]
    assert written == ["0", "1", "2", "3", "4", "5"]


async def test_a_journal_that_can_not_be_written_is_told_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    queue = AuditQueue(Journal(tmp_path / "file" / "audit.jsonl", project="acme"))
    queue.put("x")
    await queue.flush()
    assert "can't write the audit journal" in caplog.text


async def test_what_a_slow_disk_can_not_follow_is_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    queue = AuditQueue(Journal(path, project="acme"))
    for index in range(MAX_WAITING + 3):
        queue.put("x", name=str(index))
    await queue.flush()
    queue.put("y")
    await queue.flush()
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["action"] for event in written] == ["x"] * MAX_WAITING + ["audit.dropped", "y"]
    assert written[-3]["name"] == str(MAX_WAITING - 1)
    assert (written[-2]["outcome"], written[-2]["reason"]) == ("failed", "3 events")
