"""What is known of sessions, and what is told of them."""

from __future__ import annotations

import pytest

from gateway.ipc import events, sessions
from gateway.ipc.events import decode_event, encode_event
from gateway.ipc.sessions import (
    IDLE_S,
    MOST,
    TOLD_EVERY_S,
    Address,
    Sessions,
    decode_changes,
    encode_changes,
)

A: Address = ("192.0.2.1", 443)
B: Address = ("2001:db8::1", 8443)
KEY, OTHER = "0" * 32, "f" * 32
NOW = 1000.0


def test_a_session_is_found_where_it_was_bound() -> None:
    known = Sessions()
    assert known.find(KEY, NOW) is None
    assert known.bind(KEY, A, NOW)
    assert known.find(KEY, NOW) == A
    assert known.find(OTHER, NOW) is None


def test_others_hear_of_what_is_new_and_now_and_then_of_what_is_in_use() -> None:
    known = Sessions()
    assert known.bind(KEY, A, NOW)
    assert not known.bind(KEY, A, NOW + TOLD_EVERY_S - 1)
    assert known.bind(KEY, B, NOW + TOLD_EVERY_S - 1), "it has moved"
    assert not known.bind(KEY, B, NOW + TOLD_EVERY_S)
    assert known.bind(KEY, B, NOW + 2 * TOLD_EVERY_S)


def test_a_session_that_is_over_is_forgotten() -> None:
    known = Sessions()
    known.bind(KEY, A, NOW)
    assert known.forget(KEY)
    assert known.find(KEY, NOW) is None
    assert not known.forget(KEY), "which is no news the second time"


def test_a_quiet_session_is_forgotten_and_use_keeps_it() -> None:
    known = Sessions()
    known.bind(KEY, A, NOW)
    assert known.find(KEY, NOW + IDLE_S - 1) == A
    assert known.find(KEY, NOW + 2 * IDLE_S - 2) == A
    assert known.all(NOW + 3 * IDLE_S) == {}
    assert known.find(KEY, NOW + 3 * IDLE_S) is None
    assert len(known) == 0


def test_beyond_the_bound_the_quietest_goes() -> None:
    known = Sessions()
    for number in range(MOST):
        known.bind(f"{number:032x}", A, NOW)
    assert known.find(f"{0:032x}", NOW) == A
    known.bind(KEY.replace("0", "e"), B, NOW)
    assert len(known) == MOST
    assert known.find(f"{0:032x}", NOW) == A
    assert known.find(f"{1:032x}", NOW) is None


def test_what_one_tells_another_takes_over() -> None:
    teller, listener = Sessions(), Sessions()
    teller.bind(KEY, A, NOW)
    teller.bind(OTHER, B, NOW)
    listener.merge(decode_changes(encode_changes(teller.all(NOW))), NOW)
    assert (listener.find(KEY, NOW), listener.find(OTHER, NOW)) == (A, B)
    listener.merge(decode_changes(encode_changes({KEY: None})), NOW)
    assert (listener.find(KEY, NOW), listener.find(OTHER, NOW)) == (None, B)


def told(**fields: object) -> sessions.Changes:
    return sessions.told(decode_event(encode_event(events.SESSION, **fields)))


def test_a_workers_event() -> None:
    assert told(key=KEY, host="192.0.2.1", port=443) == {KEY: A}
    assert told(key=KEY, host="", port=0) == {KEY: None}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"key": KEY, "host": "a"},
        {"key": "secret-session-id", "host": "a", "port": 1},
        {"key": KEY, "host": "a", "port": 65_536},
        {"key": KEY, "host": "a", "port": -1},
        {"key": None, "host": 1, "port": "a"},
    ],
)
def test_an_event_that_is_malformed_says_nothing(fields: dict[str, object]) -> None:
    assert told(**fields) == {}
