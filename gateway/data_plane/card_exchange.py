"""Which exchanges of a route bring an agent's card, and what their heads say of it. Pure.

Source: A2A 0.3 sections 5.3, 7.10 and 11.3, A2A 1.0 sections 8.2 and 11.3 (paths, which may stand
under any prefix), RFC 9110 sections 8.8 and 13.1 (validators), 9.3.2 (HEAD).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from gateway.data_plane.agent_card import MOST_BYTES, CardMap, CardRefused, LocalCard
from gateway.data_plane.mcp_peek import method_of
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.body import NO_BODY, Chunked, FixedLength
from gateway.data_plane.wire.fields import name_of
from gateway.data_plane.wire.request import RequestHead
from gateway.data_plane.wire.response import ResponseHead, drop_fields
from gateway.data_plane.wire.whole import WholeBody
from gateway.ipc.snapshot import RouteSpec

#: Says what was done to a card: "local", or "local, unsigned".
SAYING: Final = b"X-Devwiz-Gw-Agent-Card"
_PATHS: Final = (
    b"/.well-known/agent-card.json",
    b"/.well-known/agent.json",
    b"/agent/authenticatedExtendedCard",
    b"/v1/card",
    b"/extendedAgentCard",
)
_METHODS: Final = frozenset((b"agent/getAuthenticatedExtendedCard", b"GetExtendedAgentCard"))
_READS: Final = frozenset((b"GET", b"HEAD"))
_IDENTITY: Final = b"Accept-Encoding: identity\r\n"
_CONDITIONS: Final = frozenset(
    b"accept-encoding if-match if-modified-since if-none-match if-range if-unmodified-since "
    b"range".split()
)
# What is true of the upstream's bytes only: RFC 9110 section 8.8, RFC 9421, RFC 9530.
_OF_THE_BYTES: Final = frozenset(
    b"accept-ranges content-digest content-md5 digest etag last-modified repr-digest signature "
    b"signature-input x-devwiz-gw-agent-card".split()
)
_TAG: Final = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class CardExchange:
    """The exchanges of one route whose cards are rewritten."""

    __slots__ = ("_map",)

    def __init__(self, spec: RouteSpec, origin: OriginMap) -> None:
        self._map = CardMap(spec, origin)

    def lines_for(self, request: RequestHead) -> list[bytes]:
        """The fields of `request` for the upstream: conditions on a card are ours to answer, and
        what may bring one is asked for as it is, without a coding. `request` is then looked at
        again when the answer is there.
        """
        if _reads_card(request):
            request.well_known = True
            lines = [item for item in request.forwarded if name_of(item) not in _CONDITIONS]
            return [*lines, _IDENTITY]
        if request.method == b"POST":
            request.well_known = True
            coding = b"accept-encoding"
            return [*(x for x in request.forwarded if name_of(x) != coding), _IDENTITY]
        return request.forwarded

    def is_card(self, response: ResponseHead, request: RequestHead, first: bytes) -> bool:
        """Whether the response brings a card; `first` is how the request's body began."""
        if not 200 <= response.status < 300 or response.status == 204:
            return False
        return _reads_card(request) or _asks_for_card(request, first)

    def begin(self, response: ResponseHead, request: RequestHead) -> CardReading | None:
        """What reads the card; None for a response that has no body.

        Raises:
            CardRefused: it can't be read.
        """
        drop_fields(response, _OF_THE_BYTES)
        if request.method == b"HEAD":
            response.body = NO_BODY  # its length would be that of the upstream's card
            return None
        if response.status == 206 or response.event_stream or _is_encoded(response):
            raise CardRefused("the upstream sent it in parts, as a stream or encoded")
        return CardReading(self._map, response, request)


class CardReading:
    """A card that is read to its end, and changed, before anything of the answer is passed on.

    Attributes:
        response: the answer's head, which gets that of the client's answer.
    """

    __slots__ = ("_body", "_map", "_request", "response")

    def __init__(self, mapping: CardMap, response: ResponseHead, request: RequestHead) -> None:
        self._map = mapping
        self._request = request
        self.response = response
        self._body = WholeBody(response.body)
        self._check()

    @property
    def done(self) -> bool:
        """Whether the card is there."""
        return self._body.done

    @property
    def leftover(self) -> bytes:
        """What came behind it."""
        return self._body.leftover

    def feed(self, data: bytes) -> None:
        """Take what was read. Raises `ProtocolViolation`, and `CardRefused` for too much."""
        if self.done:
            self._body.leftover += data
        else:
            self._body.feed(data)
            self._check()

    def is_complete_at_end(self) -> bool:
        """Whether the card is there, now that the connection was closed."""
        return self._body.end() is not None

    def finish(self) -> tuple[LocalCard, bytes]:
        """The card, and the bytes of the body for the client, which `response` then fits.

        Raises:
            CardRefused: the client must not get it.
        """
        request, response = self._request, self.response
        in_result = request.method == b"POST"
        card = self._map.localised(self._body.payload, request.host, in_result=in_result)
        response.body = FixedLength(len(card.text))
        said = (b"local" if card.changed else b"") + (b", unsigned" if card.unsigned else b"")
        if said:
            response.forwarded.append(b"%b: %b\r\n" % (SAYING, said))
        if in_result:
            return card, card.text
        tag = b'"%b"' % hashlib.sha256(card.text).hexdigest()[:32].encode("ascii")
        response.forwarded.append(b"ETag: %b\r\n" % tag)
        if not _has_already(request, tag):
            return card, card.text
        response.status, response.reason, response.body = 304, b"Not Modified", NO_BODY
        drop_fields(response, frozenset((b"content-type", b"content-language")))
        return card, b""

    def _check(self) -> None:
        if self._body.size > MOST_BYTES:
            raise CardRefused(f"it has more than {MOST_BYTES} bytes")


def _reads_card(request: RequestHead) -> bool:
    return request.method in _READS and request.target.partition(b"?")[0].endswith(_PATHS)


def _asks_for_card(request: RequestHead, first: bytes) -> bool:
    """Whether a JSON-RPC request wants a card. Whoever hides that from us gets the upstream's."""
    if request.method != b"POST":
        return False
    if isinstance(request.body, Chunked):
        first = Chunked(decode=True).feed(first)
    return method_of(first) in _METHODS


def _is_encoded(response: ResponseHead) -> bool:
    return any(
        name_of(line) == b"content-encoding" and not line.lower().endswith(b": identity\r\n")
        for line in response.forwarded
    )


def _has_already(request: RequestHead, tag: bytes) -> bool:
    """If-None-Match, by the weak comparison (RFC 9110 section 13.1.2)."""
    for line in request.forwarded:
        if name_of(line) == b"if-none-match":
            value = line.partition(b":")[2].strip()
            if value == b"*" or tag in _TAG.findall(value):
                return True
    return False
