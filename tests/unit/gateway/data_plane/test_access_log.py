"""Access-log lines are whole JSON whatever the client sent, and hold no query and no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.data_plane.access_log import AccessLog
from gateway.data_plane.client import ClientConnection
from gateway.data_plane.failure import REASONS
from gateway.data_plane.wire.request import UNREADABLE, RequestHead, parse_request_head
from tests.compiled import sources_only
from tests.fakes.routes import header_rules

pytestmark = sources_only

VIA = SimpleNamespace(
    label=b'"upstream":"10.0.0.7:8443","peer":"dns:planner","generation":4', made_at=11.5
)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def finished(request: RequestHead, **changes: Any) -> ClientConnection:
    """What a log line is made of: a client connection at the end of an exchange."""
    values: dict[str, Any] = {
        "request": request,
        "request_id": b"7f-1",
        "route": SimpleNamespace(encoded_name=b"planner"),
        "label": b'"caller":"uid:1000"',
        "accepted_at": 2.0,
        "first": b"",
        "status": 200,
        "reason": "",
        "detail": "",
        "bytes_up": 3,
        "bytes_down": 1_000_000_000_000,
        "first_byte_at": 10.25,
        "started": 10.0,
        "via": VIA,
        "reused": True,
        "replayed": False,
        "token_refreshed": False,
    }
    return cast("ClientConnection", SimpleNamespace(**values | changes))


def request_of(line: bytes, *fields: bytes) -> RequestHead:
    head = b"\r\n".join((line, b"Host: 127.0.0.1:8701", *fields, b"", b""))
    return parse_request_head(head, header_rules().lines)


def line_of(request: RequestHead, **changes: Any) -> dict[str, Any]:
    log = AccessLog()
    log.add(finished(request, **changes), 12.5)
    (line,) = log.lines
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert line.isascii(), "nothing that a terminal could take for a command"
    return cast("dict[str, Any]", json.loads(line))


def test_a_line_tells_who_where_and_what_came_of_it() -> None:
    line = line_of(
        request_of(b"POST /mcp?token=x HTTP/1.1", b"Mcp-Method: tools/call", b"Mcp-Name: sum")
    )
    stamp = line.pop("ts")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert line == {
        "event": "request",
        "id": "7f-1",
        "route": "planner",
        "method": "POST",
        "path": "/mcp",
        "status": 200,
        "caller": "uid:1000",
        "connection_age_ms": 10_500,
        "reason": "",
        "mcp_method": "tools/call",
        "mcp_name": "sum",
        "traceparent": "",
        "bytes_up": 3,
        "bytes_down": 1_000_000_000_000,
        "first_byte_ms": 250.0,
        "total_ms": 2500.0,
        "upstream": "10.0.0.7:8443",
        "peer": "dns:planner",
        "generation": 4,
        "upstream_age_ms": 1000,
        "reused": True,
        "replayed": False,
        "token_refreshed": False,
    }


def test_a_request_that_was_never_answered_has_no_first_byte() -> None:
    line = line_of(UNREADABLE, first_byte_at=0.0, status=0, reason="client_closed", via=None)
    assert (line["first_byte_ms"], line["status"]) == (0.0, 0)
    assert (line["method"], line["path"], line["reason"]) == ("-", "-", "client_closed")
    assert (line["upstream"], line["upstream_age_ms"]) == ("", 0)
    assert "generation" not in line


@pytest.mark.parametrize(
    "target",
    [b"/a?secret", b"/a?", b"/a?b?c", b"http://127.0.0.1:8701/a?secret", b"/a?%22,%22b%22:1"],
)
def test_no_query_is_logged(target: bytes) -> None:
    assert line_of(request_of(b"GET %b HTTP/1.1" % target))["path"] == "/a"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'a"b', 'a"b'),
        (b'","status":999,"x":"', '","status":999,"x":"'),
        (b"a\\", "a\\"),
        (b'\\"', '\\"'),
        (b"a\tb", "a\tb"),
        (b"caf\xc3\xa9", "caf\u00c3\u00a9"),
        (b"\x80\xff", "\u0080\u00ff"),
        (b"%s %d %b {0}", "%s %d %b {0}"),
        (b"</script>", "</script>"),
        (b"\x9b2J\x85", "\u009b2J\u0085"),
        (b'"' * 128, '"' * 128),
        (b'"\xe9' * 100, '"\u00e9' * 100),
    ],
)
def test_a_value_cannot_break_out_of_its_place(value: bytes, shown: str) -> None:
    request = request_of(b"GET / HTTP/1.1", b"Mcp-Name: " + value, b"Mcp-Method: " + value)
    for line in (line_of(request), line_of(request)):
        assert (line["mcp_name"], line["mcp_method"], line["status"]) == (shown, shown, 200)


def test_a_path_and_a_method_of_marks_are_shown_as_sent() -> None:
    line = line_of(request_of(b'!#$%&\'*+-.^_`|~ /"a"<b>{c}|d HTTP/1.1'))
    assert line["method"] == "!#$%&'*+-.^_`|~"
    assert line["path"] == '/"a"<b>{c}|d'


def test_a_failure_tells_its_stage_and_what_happened() -> None:
    line = line_of(UNREADABLE, status=502, reason="tls_failed", detail='said "no"\n\x1b')
    assert (line["stage"], line["detail"]) == ("tls", 'said "no"\n\x1b')
    line = line_of(UNREADABLE, status=404)
    assert (line["stage"], line["detail"], line["reason"]) == ("upstream", "", "")
    assert line_of(UNREADABLE, status=502, reason="of tomorrow")["stage"] == "unknown"
    assert "stage" not in line_of(UNREADABLE, status=304)


def test_an_older_client_s_request_is_named_by_its_body() -> None:
    body = b'{"method":"tools/call","params":{"name":"sum","arguments":{"pin":1234}}}'
    plain = request_of(b"POST /mcp HTTP/1.1")
    line = line_of(plain, first=body)
    assert (line["mcp_method"], line["mcp_name"]) == ("tools/call", "sum")
    assert "1234" not in json.dumps(line)
    named = request_of(b"POST /mcp HTTP/1.1", b"Mcp-Method: ping")
    line = line_of(named, first=body)
    assert (line["mcp_method"], line["mcp_name"]) == ("ping", "")
    log = AccessLog()
    log.peeks = False
    log.add(finished(plain, first=body), 12.5)
    assert json.loads(log.lines[0])["mcp_method"] == ""


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ((b"traceparent: " + TRACE.encode(),), TRACE),
        ((b"Traceparent: " + TRACE.encode(), b"traceparent: " + TRACE.encode()), ""),
        ((b"traceparent: " + TRACE.upper().encode(),), ""),
        ((b"traceparent: hush",), ""),
        ((b"traceparent: " + b'"' * 55,), ""),
        ((b"tracestate: hush",), ""),
    ],
)
def test_a_trace_is_told_where_it_is_one(fields: tuple[bytes, ...], shown: str) -> None:
    request = request_of(b"GET / HTTP/1.1", *fields)
    assert line_of(request)["traceparent"] == shown
    assert len(request.forwarded) == len(fields), "and the headers go on as they came"


def test_a_path_without_end_is_cut() -> None:
    line = line_of(request_of(b"GET /" + b'"' * 50_000 + b" HTTP/1.1"))
    assert line["path"] == "/" + '"' * 1023


def test_every_field_and_reason_is_described() -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations" / "logs.md").read_text()
    line = line_of(UNREADABLE, reason="tls_failed") | {"tls_group": ""}
    for word in (*line, *REASONS):
        assert f"| `{word}` |" in page, word


def test_lines_gather_until_they_are_taken() -> None:
    log = AccessLog()
    for status in (200, 201):
        log.add(finished(UNREADABLE, status=status), 12.5)
    assert [json.loads(line)["status"] for line in log.lines] == [200, 201]
