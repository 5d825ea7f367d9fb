"""What of a route's responses is changed below the head, and when. Pure.

Nothing is, for a client of HTTP/1.0, which can't be told where a body ends whose length is changed,
nor where the content is encoded: it would have to be decoded.
"""

from __future__ import annotations

from typing import Final

from gateway.data_plane.card_exchange import CardExchange
from gateway.data_plane.endpoint_event import EndpointEvent
from gateway.data_plane.event_edges import EventEdges
from gateway.data_plane.oauth_metadata import ProtectedResource, leads_to_metadata, meant
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.body import NO_BODY, FixedLength
from gateway.data_plane.wire.edited import EditedBody, Editor
from gateway.data_plane.wire.fields import folded, name_of
from gateway.data_plane.wire.request import RequestHead
from gateway.data_plane.wire.response import ResponseHead, drop_fields
from gateway.ipc.snapshot import RouteSpec

_EVENT_STREAM: Final = b"text/event-stream"
# Of the request: what would get an answer that can't be edited (RFC 9110 sections 12 to 14).
_ASKS_FOR_OTHERS: Final = frozenset(
    b"accept-encoding if-match if-modified-since if-none-match if-range range".split()
)
# Of the response: what is true of the upstream's bytes only. RFC 9110 section 8.8, RFC 9530.
_OF_THE_BYTES: Final = frozenset(
    b"accept-ranges content-digest content-md5 digest etag repr-digest".split()
)


class ResponseEdits:
    """The edits of one route.

    Attributes:
        cards: the exchanges that bring an agent's card, where it is rewritten.
        keep_alive_s: after how many silent seconds an event stream gets a comment; 0 for never.
    """

    __slots__ = ("_origin", "_rewrites_metadata", "cards", "keep_alive_s")

    def __init__(self, spec: RouteSpec, origin: OriginMap) -> None:
        self._origin = origin
        self._rewrites_metadata = spec.rewrite_metadata
        self.cards = CardExchange(spec, origin) if spec.agent_card == "rewrite" else None
        self.keep_alive_s = spec.sse_keep_alive_s

    def prepare(self, request: RequestHead) -> None:
        """Ask for an answer that can be edited, where it will be."""
        if self._is_metadata(request):
            request.target = meant(request.target)
            lines = [item for item in request.forwarded if name_of(item) not in _ASKS_FOR_OTHERS]
            request.forwarded = [*lines, b"Accept-Encoding: identity\r\n"]

    def apply(self, response: ResponseHead, request: RequestHead) -> None:
        """Put an edited body in the place of the response's, if there is anything to edit."""
        if response.status != 200 or request.minor == 0 or _is_encoded(response):
            return
        if self._is_metadata(request):
            drop_fields(response, _OF_THE_BYTES)
            if response.body.done:
                response.body = NO_BODY  # of HEAD, whose length would be that of the upstream's
            editor: Editor | None = ProtectedResource(self._origin, request.host)
        elif response.event_stream and not isinstance(response.body, FixedLength):
            editor = self._of_stream(response, request)
        else:
            return
        if editor is not None and not response.body.done:
            response.body = EditedBody(response.body, editor, response.trailers)

    def _is_metadata(self, request: RequestHead) -> bool:
        return self._rewrites_metadata and leads_to_metadata(request.target)

    def _of_stream(self, response: ResponseHead, request: RequestHead) -> Editor | None:
        """The transport of 2024-11-05 answers a GET with its stream."""
        if _media_type(response) != _EVENT_STREAM:
            return None
        endpoint = EndpointEvent(self._origin, request.host) if request.method == b"GET" else None
        return EventEdges(endpoint) if self.keep_alive_s else endpoint


def _is_encoded(response: ResponseHead) -> bool:
    return any(
        folded(name_of(item)) == b"contentencoding" and not item.lower().endswith(b": identity\r\n")
        for item in response.forwarded
    )


def _media_type(response: ResponseHead) -> bytes:
    """The media type in small letters; b"" if it is said twice."""
    said = [item for item in response.forwarded if name_of(item) == b"content-type"]
    if len(said) != 1:
        return b""
    return said[0].partition(b":")[2].partition(b";")[0].strip().lower()
