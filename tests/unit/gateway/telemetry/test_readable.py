from __future__ import annotations

import json

import pytest

from gateway.telemetry.readable import readable

AT = "2026-03-01T12:00:00.123Z"


def line(**values: object) -> bytes:
    return json.dumps({"ts": AT, **values}).encode() + b"\n"


def test_a_record_is_its_message_and_what_it_brought() -> None:
    record = line(level="warning", logger="gateway.x", message="reload refused", hint="look")
    assert readable(record) == b"12:00:00.123Z warning reload refused  hint=look\n"


def test_a_request_is_who_what_and_what_came_of_it() -> None:
    request = line(
        event="request",
        id="8f-1a",
        route="planner",
        caller="uid:1000",
        method="POST",
        path="/mcp",
        mcp_method="tools/call",
        mcp_name="query",
        status=200,
        reason="",
        total_ms=12.301,
    )
    assert readable(request) == (
        b"12:00:00.123Z request planner  POST /mcp  tools/call query  200 in 12.301 ms  uid:1000"
        b"  8f-1a\n"
    )


def test_a_failure_tells_why() -> None:
    text = readable(line(event="request", status=502, reason="unreachable", detail="refused"))
    assert b"  502 in 0 ms  unreachable: refused" in text


def test_lines_stay_lines_in_their_order() -> None:
    lines = line(level="info", message="a") + line(level="info", message="b")
    assert [text[-1:] for text in readable(lines).splitlines()] == [b"a", b"b"]


@pytest.mark.parametrize("other", [b"not JSON\n", b"[1]\n", b"{\n", b"\xff\n"])
def test_what_is_no_record_stays_as_it_is(other: bytes) -> None:
    assert readable(other) == other


def test_a_half_known_line_is_no_error() -> None:
    assert readable(b"{}\n") == b"- info    \n"
    assert readable(b'{"event":"request"}\n').startswith(b"- request ")


@pytest.mark.parametrize("nasty", ["\x1b[2J", "a\nb", "\u202e", "\x9b"])
def test_nothing_steers_the_terminal(nasty: str) -> None:
    for made in (line(message=nasty), line(event="request", path=nasty), line(x=nasty)):
        text = readable(made).decode()
        assert text.count("\n") == 1
        assert text.rstrip("\n").isprintable()
