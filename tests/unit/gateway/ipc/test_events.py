"""Events are one JSON object each."""

from __future__ import annotations

import json

import pytest

from gateway.ipc import events
from gateway.ipc.frames import FrameError


def test_an_event_names_itself_beside_its_fields() -> None:
    encoded = events.encode_event(events.LATE_ALERT, route="planner", generation=2)
    assert json.loads(encoded) == {"event": "late_alert", "route": "planner", "generation": 2}
    assert b"\n" not in encoded


def test_there_and_back() -> None:
    encoded = events.encode_event(events.LATE_ALERT, route="planner", generation=2, cause=None)
    event = events.decode_event(encoded)
    assert event.name == "late_alert"
    assert (event.text("route"), event.integer("generation", 0)) == ("planner", 2)
    assert (event.text("cause"), event.text("generation"), event.text("missing")) == ("", "", "")
    assert (event.integer("route", 7), event.integer("missing", 7)) == (7, 7)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'"x"',
        b"{}",
        b'{"event":1}',
        b'{"event":"log","a":[]}',
        b'{"event":"log","a":NaN}',
        b'{"event":"\xff"}',
        b'{"event":"log","a":' + b"[" * 100_000,
    ],
    ids=lambda payload: payload[:30],
)
def test_what_is_no_event_is_an_error(payload: bytes) -> None:
    with pytest.raises(FrameError):
        events.decode_event(payload)
