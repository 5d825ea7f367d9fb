"""Which exchanges bring a card, and what heads say before and after."""

from __future__ import annotations

import json

import pytest

from gateway.data_plane.agent_card import MOST_BYTES, CardRefused
from gateway.data_plane.card_exchange import CardExchange, CardReading
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.body import NO_BODY
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from tests.fakes.routes import header_rules, route_spec

CARD = "/.well-known/agent-card.json"
URL = b'{"url":"https://agent.example/a2a"}'
LOCAL = b'{"url":"http://127.0.0.1:8701/a2a"}'
EXTENDED = b'{"jsonrpc":"2.0","id":1,"method":"GetExtendedAgentCard"}'
SPEC = route_spec(agent_card="rewrite", headers=())
RULES = header_rules(agent_card="rewrite", headers=())
EXCHANGE = CardExchange(SPEC, OriginMap(SPEC))


def asked(target: str = CARD, *lines: str, method: str = "GET") -> RequestHead:
    head = (f"{method} {target} HTTP/1.1", "Host: 127.0.0.1:8701", *lines, "", "")
    return parse_request_head("\r\n".join(head).encode(), RULES.lines)


def answered(request: RequestHead, *lines: str, status: str = "200 OK") -> ResponseHead:
    head = "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()
    return parse_response_head(
        head, method=request.method, client_minor=request.minor, trailers=RULES.trailers
    )


def is_card(request: RequestHead, first: bytes = b"", status: str = "200 OK") -> bool:
    return EXCHANGE.is_card(answered(request, "Content-Length: 2", status=status), request, first)


def read(request: RequestHead, body: bytes, *lines: str) -> tuple[ResponseHead, bytes]:
    response = answered(request, f"Content-Length: {len(body)}", *lines)
    reading = EXCHANGE.begin(response, request)
    assert isinstance(reading, CardReading)
    reading.feed(body)
    assert reading.done
    return response, reading.finish()[1]


def names(lines: list[bytes]) -> list[str]:
    return [line.partition(b":")[0].decode().lower() for line in lines]


@pytest.mark.parametrize(
    "target",
    [
        CARD,
        "/.well-known/agent.json",
        f"{CARD}?assistant_id=1",
        f"/agents/a{CARD}",
        "/agent/authenticatedExtendedCard",
        "/rest/v1/card",
        "/tenant/extendedAgentCard",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_these_paths_bring_a_card(target: str, method: str) -> None:
    request = asked(target, "Accept-Encoding: gzip", "Range: bytes=0-1", method=method)
    lines = EXCHANGE.lines_for(request)
    assert lines == [b"Accept-Encoding: identity\r\n"]
    assert request.well_known
    assert is_card(request)
    assert is_card(request, status="203 Other")
    assert not is_card(request, status="404 Not Found")
    assert not is_card(request, status="204 No Content")


@pytest.mark.parametrize(
    "target", ["/", "/?x=/v1/card", "/v1/cards", "/.well-known/agents.json", "/v1/card/x"]
)
def test_no_others_do(target: str) -> None:
    request = asked(target, 'If-None-Match: "x"', "Accept-Encoding: gzip")
    assert EXCHANGE.lines_for(request) is request.forwarded
    assert not is_card(request)
    assert not is_card(asked(CARD, method="DELETE"))


def test_json_rpc_is_known_by_its_method() -> None:
    request = asked(
        "/a2a", "Content-Length: 9", 'If-Match: "x"', "Accept-Encoding: br", method="POST"
    )
    assert names(EXCHANGE.lines_for(request)) == ["if-match", "accept-encoding"]
    assert is_card(request, EXTENDED)
    assert is_card(request, b' {"id":1, "method":"agent/getAuthenticatedExtendedCard", "x":')
    assert not is_card(request, b'{"method":"message/send","x":{"method":"GetExtendedAgentCard"}}')
    assert not is_card(
        request, b'{"params":{"method":"GetExtendedAgentCard"},"method":"SendMessage"}'
    )
    assert not is_card(request, b"")
    assert not is_card(request, EXTENDED, status="500 Oops")
    chunked = asked("/a2a", "Transfer-Encoding: chunked", method="POST")
    first = b"%x\r\n%b\r\n%x\r\n%b" % (30, EXTENDED[:30], 26, EXTENDED[30:])
    assert is_card(chunked, first)


def test_the_head_fits_the_card_that_the_client_gets() -> None:
    response, text = read(
        asked(),
        URL,
        'ETag: W/"upstream"',
        "Last-Modified: Thu, 26 Nov 2026 20:00:00 GMT",
        "Cache-Control: max-age=60",
        "Content-Digest: sha-256=:AA==:",
        "Accept-Ranges: bytes",
        "X-Devwiz-Gw-Agent-Card: forged",
    )
    assert text == LOCAL
    assert response.body.framing == b"Content-Length: %d\r\n" % len(LOCAL)
    assert names(response.forwarded) == ["cache-control", "x-devwiz-gw-agent-card", "etag"]
    assert b"X-Devwiz-Gw-Agent-Card: local\r\n" in response.forwarded


def test_a_lost_signature_is_told() -> None:
    signed = json.dumps({"url": "https://agent.example", "signatures": [{}]}).encode()
    response, _ = read(asked(), signed)
    assert b"X-Devwiz-Gw-Agent-Card: local, unsigned\r\n" in response.forwarded
    response, text = read(asked(), b'{"signatures": [1]}')
    assert text == b'{"signatures": [1]}'
    assert names(response.forwarded) == ["etag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"a", W/{}', "*", '"a","b" ,{}'])
def test_who_has_the_card_already_is_told_so(form: str) -> None:
    response, _ = read(asked(), URL)
    tag = response.forwarded[-1].partition(b": ")[2].decode().strip()
    request = asked(CARD, f"If-None-Match: {form.format(tag)}")
    response, text = read(request, URL, "Content-Type: application/json", "Date: now")
    assert (response.status, response.reason, text) == (304, b"Not Modified", b"")
    assert response.body is NO_BODY
    assert names(response.forwarded) == ["date", "x-devwiz-gw-agent-card", "etag"]


def test_who_has_another_one_gets_it() -> None:
    request = asked(CARD, 'If-None-Match: "a", W/"b"', "If-None-Match: x")
    assert read(request, URL)[1] == LOCAL


def test_a_head_alone_claims_nothing_of_the_upstreams_bytes() -> None:
    request = asked(method="HEAD")
    response = answered(request, "Content-Length: 35", 'ETag: "x"', "Content-Type: a/b")
    assert EXCHANGE.begin(response, request) is None
    assert names(response.forwarded) == ["content-type"]
    assert response.body.framing == b""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Content-Encoding: gzip", "200 OK"),
        ("Content-Type: text/event-stream", "200 OK"),
        ("Content-Range: bytes 0-1/9", "206 Partial Content"),
        (f"Content-Length: {MOST_BYTES + 1}", "200 OK"),
    ],
)
def test_what_cant_be_read_is_refused_at_its_head(line: str, status: str) -> None:
    request = asked()
    with pytest.raises(CardRefused):
        EXCHANGE.begin(answered(request, line, status=status), request)


def test_identity_is_no_coding() -> None:
    assert read(asked(), URL, "Content-Encoding: identity")[1] == LOCAL


def test_a_body_without_a_length_is_refused_when_it_is_too_long() -> None:
    request = asked()
    reading = EXCHANGE.begin(answered(request), request)
    assert reading is not None
    reading.feed(b" " * MOST_BYTES)
    with pytest.raises(CardRefused, match="more than"):
        reading.feed(b" ")


def test_an_end_of_the_connection_may_be_the_end_of_the_card() -> None:
    request = asked()
    reading = EXCHANGE.begin(answered(request), request)
    assert reading is not None
    reading.feed(URL)
    assert not reading.done
    assert reading.is_complete_at_end()
    assert reading.finish()[1] == LOCAL
    short = EXCHANGE.begin(answered(request, "Content-Length: 3"), request)
    assert short is not None
    assert not short.is_complete_at_end()


def test_what_comes_behind_is_kept_apart() -> None:
    request = asked()
    reading = EXCHANGE.begin(answered(request, f"Content-Length: {len(URL)}"), request)
    assert reading is not None
    reading.feed(URL + b"HT")
    reading.feed(b"TP")
    assert reading.leftover == b"HTTP"
    assert reading.finish()[1] == LOCAL


def test_a_result_of_json_rpc_has_no_validator() -> None:
    request = asked("/a2a", method="POST")
    response, text = read(request, b'{"id":1,"result":%b}' % URL)
    assert text == b'{"id":1,"result":%b}' % LOCAL
    assert names(response.forwarded) == ["x-devwiz-gw-agent-card"]
