from __future__ import annotations

import hashlib
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import FIRST, MAX_TEXT, AuditFailed, Journal, journal_path


def chained(path: Path) -> list[dict[str, Any]]:
    """The events of a journal whose chain holds."""
    events = []
    expected = FIRST
    for line in path.read_bytes().splitlines():
        event = json.loads(line)
        assert event["prev"] == expected
        expected = hashlib.sha256(line).hexdigest()
        events.append(event)
    return events


def make(path: Path) -> Journal:
    return Journal(path, project="acme", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


def test_an_event_is_a_private_json_line(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    make(path).record("secret.read", outcome="ok", name="planner-token", reason="route planner")
    (event,) = chained(path)
    assert event["time"] == "2026-01-02T00:00:00.000+00:00"
    assert (event["action"], event["name"], event["outcome"]) == (
        "secret.read",
        "planner-token",
        "ok",
    )
    assert event["project"] == "acme"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for name in ("a", "b", "c"):
        make(path).record("x", outcome="ok", name=name)
    assert [event["name"] for event in chained(path)] == ["a", "b", "c"]


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journals = [make(path) for _ in range(4)]

    def write(index: int) -> None:
        journals[index % 4].record("x", outcome="ok", name=str(index))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(100)))
    assert {event["name"] for event in chained(path)} == {str(index) for index in range(100)}


def test_a_line_that_was_cut_short_stays_apart_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    make(path).record("x", outcome="ok")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"time":"20')
    make(path).record("y", outcome="ok")
    lines = path.read_bytes().splitlines()
    assert lines[1] == b'{"time":"20'
    assert json.loads(lines[2])["prev"] == hashlib.sha256(lines[1]).hexdigest()


def test_a_change_breaks_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for name in ("a", "b"):
        make(path).record("x", outcome="denied", name=name)
    path.write_bytes(path.read_bytes().replace(b"denied", b"ok", 1))
    with pytest.raises(AssertionError):
        chained(path)


def test_the_chain_holds_whatever_the_texts_are(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    texts = ("\x00" * 100_000, "\ud800 half a character", "\N{BROOM}" * 100_000, 'a\n"b"')
    for text in texts:
        make(path).record("x", outcome="ok", name=text, reason=text)
    assert [event["name"] for event in chained(path)] == [text[:MAX_TEXT] for text in texts]
    assert [event["reason"] for event in chained(path)] == [text[:MAX_TEXT] for text in texts]


def test_what_can_not_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(AuditFailed, match=r"audit\.jsonl") as got:
        make(blocked / "audit.jsonl").record("x", outcome="ok")
    assert "XDG_STATE_HOME" in got.value.hint


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/devwiz-gw/acme/audit.jsonl"),
        ({"HOME": "/h"}, "/h/.local/state/devwiz-gw/acme/audit.jsonl"),
        (
            {"XDG_STATE_HOME": "relative", "HOME": "/h"},
            "/h/.local/state/devwiz-gw/acme/audit.jsonl",
        ),
    ],
)
def test_the_journal_is_in_the_state_folder(env: dict[str, str], expected: str) -> None:
    assert journal_path("acme", env) == Path(expected)
