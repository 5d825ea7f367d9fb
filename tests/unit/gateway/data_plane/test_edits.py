"""Which responses are edited; `tests/property/test_edited_streams.py` holds what comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.edited import EditedBody
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from tests.fakes.routes import header_rules

EVENTS = b"Content-Type: text/event-stream"
CHUNKED = b"Transfer-Encoding: chunked"
METADATA = b"/.well-known/oauth-protected-resource/mcp"
REWRITES: dict[str, Any] = {"auth": "passthrough", "rewrite_metadata": True, "headers": ()}


def asked(rules: HeaderRules, target: bytes, method: bytes = b"GET", minor: int = 1) -> RequestHead:
    lines = (
        b"%b %b HTTP/1.%d" % (method, target, minor),
        b"Host: 127.0.0.1:8701",
        b"Accept-Encoding: gzip",
        b'If-None-Match: "x"',
        b"Accept: */*",
    )
    return parse_request_head(b"\r\n".join((*lines, b"", b"")), rules.lines)


def answered(
    rules: HeaderRules, request: RequestHead, *fields: bytes, status: bytes = b"200 OK"
) -> ResponseHead:
    head = b"\r\n".join((b"HTTP/1.1 " + status, *fields, b"", b""))
    response = parse_response_head(
        head, method=request.method, client_minor=request.minor, trailers=rules.trailers
    )
    rules.edits.apply(response, request)
    return response


def is_edited(
    *fields: bytes, keep_alive_s: float = 0, status: bytes = b"200 OK", **asks: Any
) -> bool:
    rules = header_rules(sse_keep_alive_s=keep_alive_s)
    response = answered(rules, asked(rules, b"/sse", **asks), *fields, status=status)
    return isinstance(response.body, EditedBody)


def test_event_streams_without_a_length_are() -> None:
    assert is_edited(EVENTS, CHUNKED)
    assert is_edited(EVENTS)
    assert is_edited(b"content-type: Text/Event-Stream ; charset=utf-8", CHUNKED)
    assert is_edited(EVENTS, CHUNKED, b"Content-Encoding: identity")
    assert not is_edited(EVENTS, b"Content-Length: 10")
    assert not is_edited(EVENTS, CHUNKED, b"Content-Encoding: gzip")
    assert not is_edited(EVENTS + b"s", CHUNKED)
    assert not is_edited(EVENTS, EVENTS, CHUNKED)
    assert not is_edited(EVENTS, CHUNKED, status=b"404 Not Found")
    assert not is_edited(EVENTS, CHUNKED, minor=0)
    assert not is_edited(EVENTS, CHUNKED, method=b"HEAD")
    assert not is_edited(b"Content-Type: application/json", CHUNKED)


def test_streams_of_other_methods_only_for_comments() -> None:
    assert not is_edited(EVENTS, CHUNKED, method=b"POST")
    assert is_edited(EVENTS, CHUNKED, method=b"POST", keep_alive_s=15)


def test_metadata_is_asked_for_in_a_form_that_can_be_edited() -> None:
    rules = header_rules(**REWRITES)
    request = asked(rules, METADATA)
    rules.edits.prepare(request)
    assert request.forwarded == [b"Accept: */*\r\n", b"Accept-Encoding: identity\r\n"]
    other = asked(rules, b"/.well-known/agent-card.json")
    rules.edits.prepare(other)
    assert len(other.forwarded) == 3


def test_metadata_that_are_elsewhere_are_asked_for_there() -> None:
    rules = header_rules(**REWRITES)
    request = asked(rules, METADATA.removesuffix(b"/mcp") + b"?devwiz-gw-at=/custom%3Fx")
    rules.edits.prepare(request)
    assert rules.request_head(request).startswith(b"GET /custom?x HTTP/1.1\r\n")
    response = answered(rules, request, b"Content-Length: 43")
    assert response.body.framing == b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("framing", [b"Content-Length: 43", CHUNKED])
def test_and_loses_what_is_true_of_the_upstreams_bytes(framing: bytes) -> None:
    rules = header_rules(**REWRITES)
    text = b'{"resource": "https://agent.example/mcp"}  '
    assert len(text) == 43
    fields = (b'ETag: "x"', b"Location: /a", b"Content-Digest: y", framing)
    response = answered(rules, asked(rules, METADATA), *fields)
    head = rules.response_head(response, local=b"127.0.0.1:8701", connection=b"")
    assert head == b"HTTP/1.1 200 OK\r\nLocation: /a\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = text if framing != CHUNKED else b"2b\r\n%b\r\n0\r\n\r\n" % text
    passed = response.body.feed(sent)
    assert response.body.done
    document = json.loads(passed.split(b"\r\n")[1])
    assert document["resource"] == "http://127.0.0.1:8701/mcp"


def test_of_metadata_head_tells_no_length() -> None:
    rules = header_rules(**REWRITES)
    response = answered(rules, asked(rules, METADATA, b"HEAD"), b"Content-Length: 43")
    assert (response.body.done, response.body.framing) == (True, b"")


def test_other_routes_leave_metadata_alone() -> None:
    rules = header_rules(**REWRITES | {"rewrite_metadata": False})
    response = answered(rules, asked(rules, METADATA), b"Content-Length: 43")
    assert response.body.framing == b"Content-Length: 43\r\n"
