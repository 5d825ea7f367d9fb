"""What may never happen, whatever the bytes: each target accepts them, or raises the documented
error, and what it accepts has one reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.bridge.event_stream import EventReader
from gateway.data_plane.agent_card import CardMap, CardRefused
from gateway.data_plane.card_exchange import CardExchange
from gateway.data_plane.endpoint_event import EndpointEvent
from gateway.data_plane.event_edges import EventEdges
from gateway.data_plane.mcp_peek import peeked
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.silence import COMMENT
from gateway.data_plane.wire.body import Body, Chunked, FixedLength
from gateway.data_plane.wire.fields import MAX_FIELDS, parse_fields
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from gateway.ipc.frames import FrameDecoder, FrameError, Kind, encode
from tests.compiled import attributes_of
from tests.data.vectors import EVERY_VECTOR, RESPONSES
from tests.fakes.canary import check_requests, check_responses
from tests.fakes.routes import header_rules, route_spec
from tests.fakes.two_requests import CANARY
from tests.property.cuts import in_steps

_RULES = header_rules()
_SECRET = b"s3cr3t-value"
_DONE, _MORE, _REFUSED = "done", "more", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function that fails on bytes which show a bug, and bytes to begin with."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _first_head(data: bytes) -> bytes | None:
    end = data.find(b"\r\n\r\n") + 4
    return data[:end] if end > 3 else None


def _check_lines(head: bytes) -> None:
    """A head that we wrote is lines, each ended by CRLF, and one empty line at its end."""
    lines = head.count(b"\r\n")
    assert head.count(b"\r") == head.count(b"\n") == lines
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert b"\x00" not in head


def _read_thrice(head: bytes) -> RequestHead | None:
    """The head as read with a memory of nothing, then of itself, then of all heads so far."""
    own = header_rules().lines
    readings: list[tuple[object, ...]] = []
    request = None
    for lines in (own, own, _RULES.lines):
        try:
            request = parse_request_head(head, lines)
        except ProtocolViolation as violation:
            readings.append((violation.reason, violation.status))
        else:
            said = (getattr(request, name) for name in attributes_of(request) if name != "body")
            readings.append((*said, type(request.body), request.body.framing))
    assert readings[1:] == readings[:1] * 2
    return request


def check_request_head(data: bytes) -> None:
    """An accepted head is written as one that is read alike, with our credential and no other;
    what was read before makes no difference.
    """
    head = _first_head(data)
    if head is None:
        return
    request = _read_thrice(head)
    if request is None:
        return
    sent = _RULES.request_head(request)
    _check_lines(sent)
    if len(request.forwarded) > MAX_FIELDS - 6:
        return  # with our own there can be too many to read it again
    again = parse_request_head(sent, _RULES.lines)
    assert (again.method, again.target, again.minor) == (request.method, request.target, 1)
    assert again.host == b"agent.example"
    assert (type(again.body), again.body.framing) == (type(request.body), request.body.framing)
    assert again.forwarded == [*request.forwarded, b"Via: 1.%d devwiz-gw\r\n" % request.minor]
    fields = parse_fields(sent[sent.index(b"\r\n") + 2 : -2])
    folded = [name.lower().replace(b"_", b"-") for name, _ in fields]
    assert [
        field for field, name in zip(fields, folded, strict=True) if name == b"authorization"
    ] == [(b"Authorization", b"Bearer " + _SECRET)]
    assert folded.count(b"host") == 1
    assert folded.count(b"content-length") + folded.count(b"transfer-encoding") <= 1


def check_response_head(data: bytes) -> None:
    """An accepted head is written as one that is read alike and does not show the credential.

    The first byte chooses the request's method and version.
    """
    method = b"HEAD" if data[:1] < b"\x40" else b"GET"
    client_minor = 0 if data[:1] > b"\xc0" else 1
    head = _first_head(data[1:])
    if head is None:
        return

    def parse(head: bytes) -> ResponseHead:
        return parse_response_head(
            head, method=method, client_minor=client_minor, trailers=_RULES.trailers
        )

    try:
        response = parse(head)
    except ProtocolViolation:
        return
    assert 100 <= response.status <= 599
    sent = _RULES.response_head(response, local=b"127.0.0.1:1", connection=b"")
    _check_lines(sent)
    assert _SECRET not in sent
    if len(response.forwarded) > MAX_FIELDS - 5:
        return  # with our own there can be too many to read it again
    again = parse(sent)
    assert (again.status, again.minor) == (response.status, 1)
    assert again.body.done == response.body.done
    if isinstance(response.body, FixedLength):
        assert again.body.framing == response.body.framing


def _read(body: Body, pieces: list[bytes]) -> tuple[bytes, str, bytes]:
    """What came out, how it ended, and what stands behind it."""
    out = b""
    for index, piece in enumerate(pieces):
        try:
            out += body.feed(piece)
        except ProtocolViolation:
            return out, _REFUSED, b""
        if body.done:
            return out, _DONE, body.leftover + b"".join(pieces[index + 1 :])
    return out, _MORE, b""


def check_chunked(data: bytes) -> None:
    """One reading, in one piece or byte by byte; what is relayed reads as the same payload.

    The first byte says how the rest is cut.
    """
    pieces = _pieces(data)
    data = data[1:]
    for decode in (False, True):
        whole, how, rest = _read(Chunked(decode=decode, trailers=_RULES.trailers), [data])
        cut = _read(Chunked(decode=decode, trailers=_RULES.trailers), pieces)
        if how == _REFUSED:
            assert cut[1] == _REFUSED
        else:
            assert cut == (whole, how, rest)
    relayed, how, _ = _read(Chunked(trailers=_RULES.trailers), [data])
    payload, _, _ = _read(Chunked(decode=True), [data])
    if how == _DONE:
        assert _read(Chunked(decode=True), [relayed]) == (payload, _DONE, b"")
        assert _read(Chunked(trailers=_RULES.trailers), [relayed]) == (relayed, _DONE, b"")


def _pieces(data: bytes) -> list[bytes]:
    """The data behind its first byte, which says how it is cut."""
    return in_steps(data[1:], data[0] % 32 + 1) if data else []


def check_two_requests(data: bytes) -> None:
    """See `check_requests`; the first byte says how the rest is cut."""
    check_requests([*_pieces(data), CANARY])


def check_two_responses(data: bytes) -> None:
    """See `check_responses`; the first byte says how the rest is cut, its top bit the method."""
    check_responses(b"HEAD" if data[:1] >= b"\x80" else b"GET", _pieces(data))


def check_frames(data: bytes) -> None:
    """Frames, or the documented error; what was taken is what would be written.

    The first byte says how the rest is cut.
    """
    decoder = FrameDecoder()
    frames: list[tuple[Kind, bytes]] = []
    try:
        for piece in _pieces(data):
            frames += decoder.feed(piece)
    except FrameError:
        pass  # what came before it still counts
    assert data[1:].startswith(b"".join(encode(kind, payload) for kind, payload in frames))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


def check_mcp_peek(data: bytes) -> None:
    """What is shown needs no quoting, and is what a reader of the whole body finds."""
    method, name = peeked(data)
    assert json.loads(b'["%b", "%b"]' % (method, name)) == [method.decode(), name.decode()]
    try:
        body = json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return
    if method and isinstance(body, dict):
        assert body["method"] == method.decode()
        assert not name or body["params"]["name"] == name.decode()


def _events(stream: bytes) -> list[tuple[str, bytes]]:
    return [(event.kind, event.data) for event in EventReader(1 << 20).feed(stream)]


def check_event_stream(data: bytes) -> None:
    """Edited in pieces, with comments wherever they may stand, it has the events that it had: only
    the URL of one may be another, and that by no more than its origin.

    The first byte says how the rest is cut.
    """
    mapped = EndpointEvent(OriginMap(route_spec()), b"127.0.0.1:1")
    edges = EventEdges(mapped)
    passed = edges.insert(COMMENT)
    for piece in _pieces(data):
        passed += edges.feed(piece)
        passed += edges.insert(COMMENT) if edges.between else b""
    before, after = _events(data[1:]), _events(passed + edges.end())
    if before != after:
        places = [place for place, event in enumerate(before) if event != after[place]]
        assert len(places) == 1
        assert len(before) == len(after)
        kind, url = before[places[0]]
        assert (kind, after[places[0]][0]) == ("endpoint", "endpoint")
        assert re.sub(rb"(?i)\Ahttps://agent\.example(:443)?", b"", url) == after[places[0]][
            1
        ].removeprefix(b"http://127.0.0.1:1")


_CARD_ROUTE = route_spec(agent_card="rewrite", tunnels=(("agent.example:50051", "127.0.0.1:9001"),))
_CARDS = CardMap(_CARD_ROUTE, OriginMap(_CARD_ROUTE))


def _card(pieces: list[bytes]) -> bytes | None:
    """What a client gets of a card that came like this; None if it is refused."""
    head = b"GET /.well-known/agent-card.json HTTP/1.1\r\nHost: 127.0.0.1:8701\r\n\r\n"
    request = parse_request_head(head, _RULES.lines)
    response = parse_response_head(
        b"HTTP/1.1 200 OK\r\n\r\n", method=b"GET", client_minor=1, trailers=_RULES.trailers
    )
    try:
        exchange = CardExchange(_CARD_ROUTE, OriginMap(_CARD_ROUTE))
        reading = exchange.begin(response, request)
        assert reading is not None
        for piece in pieces:
            reading.feed(piece)
        assert reading.is_complete_at_end()
        return reading.finish()[1]
    except CardRefused:
        return None


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


def _leads_past(document: object) -> bool:
    """Whether an interface of the upstream's own origin is left for a client of HTTP."""
    card = document if isinstance(document, dict) else {}
    lists = [card.get(key) for key in ("supportedInterfaces", "additionalInterfaces")]
    items = [card, *(item for found in lists if isinstance(found, list) for item in found)]
    urls = [item.get("url") for item in items if isinstance(item, dict)]
    own = re.compile(r"(?i)https?://agent\.example(:443)?([/?#]|\Z)")
    return any(isinstance(url, str) and own.match(url) for url in urls)


def check_agent_card(data: bytes) -> None:
    """However it was cut, a card is refused, or leads no reader past the gateway, not one that
    takes the first of two values either; and done once more it stays.

    The first byte says how the rest is cut.
    """
    text = _card([data[1:]])
    assert text == _card(_pieces(data))
    if text is None:
        return
    for pairs_hook in (dict, _first_wins):
        assert not _leads_past(json.loads(text, object_pairs_hook=pairs_hook))
    assert not _CARDS.localised(text, b"127.0.0.1:8701").changed


_AGENT_CARDS = (
    b"""{"name":"a","url":"https://agent.example/a2a","preferredTransport":"JSONRPC",
"additionalInterfaces":[{"url":"agent.example:50051","transport":"GRPC"}],
"securitySchemes":{"m":{"type":"mutualTLS"}},"security":[{"m":[]}],"signatures":[{}]}""",
    b"""{"name":"a","supportedInterfaces":[
{"url":"https://AGENT.example:443","protocolBinding":"HTTP+JSON"},
{"url":"agent.example:1","protocolBinding":"GRPC"}],"n":[1e5,-0.0],
"securitySchemes":{"m":{"mtlsSecurityScheme":{}}},"securityRequirements":[{"schemes":{"m":{}}}]}""",
    b'{"url":"https:\\/\\/\\u0061gent.example","\\u0075rl2":1}',
)
_CALLS = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sum","arguments":{}}}',
    b'{"method":"prompts/get","params":{"_meta":{"name":"x"},"name":"plan"},"id":"\\u0031"}',
    b'{"a":["{\\"method\\":1}"],"params":{"method":"ping"},"method":"initialize"}',
)
_RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Echo: s3cr3t-value\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 304 Not Modified\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 302\r\nLocation: https://agent.example/?a=s3cr3t-value\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: s3cr3t-value\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
)
_CHUNKS = (
    b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b'0005;a="b;c";d\r\nhello\r\n0\r\nX-Sum: s3cr3t-value\r\nHost: x\r\n\r\n',
    b"1\r\n\r\r\n2\r\n\r\n\r\n000\r\nA: 1\r\nB: 2\r\n\r\n",
)
_FRAMES = encode(Kind.STATS) + encode(Kind.EVENT, b'{"event":"x"}') + encode(Kind.DRAIN, b"{}")

_STREAMS = (
    b"event: endpoint\ndata: https://agent.example/message?sessionId=1\n\ndata: 1\n\n",
    b": hi\r\n\r\nid: 1\r\nretry: 5\r\nevent: endpoint\r\ndata:https://AGENT.example:443\r\n\r\n",
    b"\xef\xbb\xbfevent: endpoint\rdata: https://agent.example@evil/\r\rdata: 2\r\r: \r",
)

TARGETS = {
    "request": Target(
        check=check_request_head,
        seeds=(
            *(vector.data for vector in EVERY_VECTOR),
            b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
    ),
    "response": Target(
        check=check_response_head,
        seeds=tuple(first + head for head in _RESPONSES for first in (b"\x00", b"\x80", b"\xff")),
    ),
    "chunked": Target(
        check=check_chunked,
        seeds=tuple(first + body for body in _CHUNKS for first in (b"\x00", b"\x06")),
    ),
    "two-requests": Target(
        check=check_two_requests,
        seeds=tuple(first + vector.data for vector in EVERY_VECTOR for first in (b"\x00", b"\x1f")),
    ),
    "two-responses": Target(
        check=check_two_responses,
        seeds=tuple(
            bytes([step + 0x80 * (vector.method == b"HEAD")]) + vector.data
            for vector in RESPONSES
            for step in (0, 31)
        ),
    ),
    "mcp-peek": Target(check=check_mcp_peek, seeds=_CALLS),
    "event-stream": Target(
        check=check_event_stream,
        seeds=tuple(first + stream for stream in _STREAMS for first in (b"\x00", b"\x06", b"\x1f")),
    ),
    "agent-card": Target(
        check=check_agent_card,
        seeds=tuple(first + card for card in _AGENT_CARDS for first in (b"\x00", b"\x06", b"\x1f")),
    ),
    "frames": Target(check=check_frames, seeds=(b"\x00" + _FRAMES, b"\x1f" + _FRAMES)),
}
