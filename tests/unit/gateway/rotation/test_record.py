from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from gateway.rotation import record
from gateway.rotation.record import Phase, RecordDamaged, Rotation

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLANNED = Rotation(
    id="00ff", name="key", secret="key", provider="exec", phase="planned",
    started_at=NOW, changed_at=NOW,
)  # fmt: skip


def test_each_phase_leads_to_the_next_until_all_is_done() -> None:
    rotation, steps = PLANNED, []
    while (step := record.next_step(rotation, NOW)) is not None:
        steps.append(step)
        rotation = record.stepped(rotation, NOW)
    assert steps == [*("create", "store", "verify", "publish", "switch", "tell", "revoke", "clean")]
    assert rotation.phase == "done"
    assert rotation.is_over


def test_nothing_happens_before_its_time() -> None:
    waiting = replace(PLANNED, phase="grace", due_at=NOW + timedelta(hours=1))
    assert record.next_step(waiting, NOW) is None
    assert record.next_step(record.again(waiting), NOW) is None
    assert record.next_step(waiting, NOW + timedelta(hours=1)) == "revoke"


def test_a_failure_is_tried_again_later_and_at_once_when_somebody_asks() -> None:
    once = record.failed(PLANNED, NOW, error="no answer", retryable=True)
    twice = record.failed(once, NOW, error="no answer", retryable=True)
    assert (once.due_at, twice.due_at) == (NOW + timedelta(seconds=5), NOW + timedelta(seconds=15))
    assert record.next_step(once, NOW) is None
    assert record.next_step(record.again(once), NOW) == "create"
    told = record.failed(PLANNED, NOW, error="later", retryable=True, retry_after_s=90)
    assert told.due_at == NOW + timedelta(seconds=90)
    final = record.failed(PLANNED, NOW, error="refused", retryable=False)
    assert (final.stuck, final.due_at) == (True, None)


@pytest.mark.parametrize("phase", get_args(Phase))
def test_a_way_back_is_there_until_the_old_key_is_revoked(phase: Phase) -> None:
    none = {"revoked", "done", "rolling-back", "rolled-back"}
    assert replace(PLANNED, phase=phase).can_roll_back == (phase not in none)


def test_a_record_is_read_as_it_was_written() -> None:
    full = replace(PLANNED, phase="grace", due_at=NOW, switched_at=NOW, new_key="k2", pending=True)
    assert record.decode(record.encode(full)) == full


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"phase": "nowhere"}, {"more": 1}, {"id": 7}, {"started_at": "soon"}, {"v": None},
        {"due_at": "2026-03-01T12:00:00"}, {"revoking": "no"}, {"switching": 0}, {"attempts": "1"},
        {"attempts": -9}, {"version": None}, {"grace_s": float("nan")}, {"grace_s": -1},
        {"grace_s": 1e300}, {"publishing": 1}, {"changed_at": None},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(change: dict[str, object]) -> None:
    told = json.loads(record.encode(PLANNED)) | change
    with pytest.raises(RecordDamaged):
        record.decode(json.dumps(told).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"[" * 10_000, b"\xff"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(RecordDamaged):
        record.decode(data)


def test_a_clock_that_was_set_back_lets_a_wait_begin_anew() -> None:
    waiting = replace(PLANNED, phase="grace", changed_at=NOW, due_at=NOW + timedelta(hours=1))
    earlier = NOW - timedelta(days=400)
    assert not record.was_set_back(waiting, NOW)
    assert record.was_set_back(waiting, earlier)
    anew = record.waiting_anew(waiting, earlier)
    assert not record.was_set_back(anew, earlier)
    assert record.next_step(anew, earlier + timedelta(minutes=59)) is None
    assert record.next_step(anew, earlier + timedelta(hours=1)) == "revoke"
    assert not record.was_set_back(PLANNED, earlier)


@pytest.mark.parametrize("phase", get_args(Phase))
def test_another_value_may_be_typed_until_the_first_one_may_be_out(phase: Phase) -> None:
    at = replace(PLANNED, phase=phase, new_fingerprint="1", new_key="k", error="no", stuck=True)
    early = {"planned", "created", "stored", "verified"}
    assert record.can_retype(at) == (phase in early)
    assert not record.can_retype(replace(at, publishing=True))
    assert not record.can_retype(replace(at, pending=True))
    begun = record.retyped(at, NOW)
    assert (begun.phase, begun.new_fingerprint, begun.new_key) == ("planned", "", "")
    assert (begun.error, begun.stuck) == ("", False)
