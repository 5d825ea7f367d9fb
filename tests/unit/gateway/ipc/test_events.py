"""Events are one JSON object each."""

from __future__ import annotations

import json

from gateway.ipc import events


def test_an_event_names_itself_beside_its_fields() -> None:
    encoded = events.encode_event(events.LATE_ALERT, route="planner", generation=2)
    assert json.loads(encoded) == {"event": "late_alert", "route": "planner", "generation": 2}
    assert b"\n" not in encoded
