from __future__ import annotations

from typing import Any

from gateway.rotation.ledger import holders


def event(action: str, **more: Any) -> dict[str, Any]:
    plain = {
        "action": action,
        "outcome": "ok",
        "name": "key",
        "reason": "npm",
        "time": "2026-03-01T12:00:00+00:00",
        "client": {"pid": 7, "started": 70},
    }
    return plain | more


def test_each_holder_has_what_it_got_last() -> None:
    events = [
        event("secret.inject", variable="A", delivery="env", agent="Cursor", fingerprint="f1"),
        event("secret.use", reason="planner", client={"pid": 8, "started": 80}, fingerprint="f1"),
        event("secret.read", reason="secret get", client={"pid": 9, "started": 90}),
        event("secret.inject", variable="A", delivery="env", agent="", fingerprint="f2"),
    ]
    found = [(item.what, item.how, item.pid, item.fingerprint) for item in holders(events, "key")]
    assert found == [
        ("planner", "header", 8, "f1"),
        ("secret get", "printed", 9, ""),
        ("npm", "env", 7, "f2"),
    ]


def test_others_are_left_out() -> None:
    events = [
        event("secret.inject", name="other"),
        event("secret.inject", outcome="denied"),
        event("secret.write"),
        event("secret.read", reason="scan"),
        event("secret.read", reason="doctor --bundle"),
        {"action": "secret.use", "outcome": "ok", "name": "key", "client": "damaged"},
    ]
    assert [(item.pid, item.what) for item in holders(events, "key")] == [(0, "")]
