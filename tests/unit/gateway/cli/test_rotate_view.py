from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.cli.rotate_view import outcome_lines, plan_lines, reminder_lines, table_lines

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROTATION: dict[str, Any] = {
    "phase": "grace", "next_step": "revoke", "due_at": "2026-03-01T12:10:00Z",
    "waiting": "for holders of the old value", "error": None, "hint": None, "stuck": False,
    "is_over": False, "can_retype": False,
}  # fmt: skip
VIEW: dict[str, Any] = {
    "name": "db", "secret": "db-password", "provider": "prompt", "on_switch": "leave",
    "age_s": 86_400.0, "is_old": False, "problem": None, "rotation": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, "in order"),
        ({"is_old": True}, "old: rotate it"),
        ({"age_s": None}, "unknown"),
        ({"age_s": 0.0, "age_is_known": False}, "unknown"),
        ({"age_s": 90_000.0, "age_is_known": False}, "over 1d 01h"),
        ({"problem": "the record is damaged"}, "the record is damaged"),
        ({"rotation": ROTATION}, "revoke in 10m"),
        ({"rotation": ROTATION | {"error": "503", "phase": "created"}}, "created: 503"),
        ({"rotation": ROTATION | {"stuck": True}}, "revoke, when somebody asks"),
        ({"secret": None}, "—"),
    ],
)
def test_a_row_says_how_it_stands(change: dict[str, Any], shown: str) -> None:
    assert shown in table_lines([VIEW | change], now=NOW)[1]


def test_what_a_server_calls_itself_can_not_steer_the_terminal() -> None:
    hostile = ROTATION | {"waiting": "at \x1b[2Jhttps://evil.example"}
    assert "\x1b[2J" not in "\n".join(table_lines([VIEW | {"rotation": hostile}], now=NOW))


def test_only_what_wants_somebody_is_a_reminder() -> None:
    assert reminder_lines([VIEW, VIEW | {"rotation": ROTATION | {"is_over": True}}], now=NOW) == []
    for change in ({"is_old": True}, {"problem": "damaged"}, {"rotation": ROTATION}):
        assert "db" in reminder_lines([VIEW, VIEW | change], now=NOW)[2]


def test_a_failure_says_what_to_do() -> None:
    failed = ROTATION | {"name": "db", "error": "refused", "hint": "ask", "next_step": "verify"}
    lines = outcome_lines(failed, now=NOW)
    assert lines[1:3] == ["step verify failed: refused", "ask"]
    assert "--new-value" not in "\n".join(lines)
    assert "--new-value" in outcome_lines(failed | {"can_retype": True}, now=NOW)[-1]


def test_one_that_waits_says_for_what_and_one_that_is_done_nothing_more() -> None:
    waits = outcome_lines(ROTATION | {"name": "db"}, now=NOW)
    assert waits[0] == "rotation db is in the phase grace"
    assert "revoke in 10m 00s, waits for holders of the old value" in waits[1]
    over = {"name": "db", "phase": "done", "is_over": True}
    assert outcome_lines(over, now=NOW) == ["rotation db is done"]


def test_a_plan_names_those_who_have_a_version() -> None:
    holder = {
        "what": "claude", "how": "env", "variable": "DB", "agent": "claude-code", "pid": 7,
        "at": "2026-03-01T11:00:00Z", "is_current": False, "is_alive": True,
    }  # fmt: skip
    plan = VIEW | {"steps": ["create", "revoke"], "grace_s": 3600.0, "holders": [holder]}
    text = "\n".join(plan_lines(plan, now=NOW))
    for word in (
        "make a new key",
        "end the old key",
        "claude-code",
        "running",
        "old",
        "1h 00m ago",
    ):
        assert word in text
    assert "nobody is on record" in plan_lines(plan | {"holders": []}, now=NOW)[-1]
