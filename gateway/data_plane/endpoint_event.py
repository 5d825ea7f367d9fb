"""The first event of MCP's HTTP+SSE transport, which names the URL that a client has to post to.

Clients refuse one whose origin isn't that of the stream: an absolute URL of the upstream's origin
is mapped to the local one. Pure.

Source: MCP 2024-11-05, transports; the WHATWG HTML standard, server-sent events.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.edited import Editor

#: An event that is longer isn't one of these.
_MOST_HELD: Final = 8192
_LINE: Final = re.compile(rb"([^\r\n]*+)(?:\r\n|[\r\n])")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_KIND: Final = b"endpoint"
_IGNORED: Final = (b"id", b"retry")
_FIELDS: Final = (b"event", b"data", *_IGNORED)


class _Event:
    """What is known of the event: whether it has a field, is of the kind, and where its URL is."""

    __slots__ = ("begun", "is_endpoint", "url")

    def __init__(self) -> None:
        self.begun = self.is_endpoint = False
        self.url: tuple[int, int] | None = None


class EndpointEvent(Editor):
    """Looks at the first event of a stream. It holds back nothing but an unfinished event that may
    still be the one which has to be mapped.
    """

    __slots__ = ("_at_start", "_held", "_local", "_origin")

    def __init__(self, origin: OriginMap, local: bytes) -> None:
        self._origin = origin
        self._local = local
        self._held = b""
        self._at_start = True
        self.done = False

    def feed(self, payload: bytes) -> bytes:
        """See `Editor`."""
        if self.done:
            return payload
        held, self._held = self._held + payload, b""
        event = _Event()
        begin = at = 0  # of the event, and of the line that isn't complete
        for line in _LINE.finditer(held):
            start, at = line.start(), line.end()
            if not line[1]:
                if event.url is not None:
                    return self._finished(self._mapped(held, event))
                event, begin = _Event(), at
                continue
            if not event.begun:
                begin = start
            if not self._takes(event, line):
                return self._finished(held)
        if not self._may_go_on(held[at:], at_start=not at) or len(held) - begin > _MOST_HELD:
            return self._finished(held)
        if not event.begun:
            begin = at  # a comment is no part of it, and may be what keeps the stream alive
        self._held = held[begin:]
        self._at_start = self._at_start and not begin
        return held[:begin]

    @property
    def holds(self) -> bool:
        """Whether it holds the beginning of an event back."""
        return self._held != b""

    def end(self) -> bytes:
        """See `Editor`."""
        return self._finished(self._held)

    def _finished(self, held: bytes) -> bytes:
        self._held = b""
        self.done = True
        return held

    def _takes(self, event: _Event, line: re.Match[bytes]) -> bool:
        """Whether the event may be the one after this line, too."""
        name, value = self._field(line[1], at_start=not line.start())
        if not name:
            return True  # a comment
        event.begun = True
        if name == b"event":
            event.is_endpoint = value == _KIND
            return event.is_endpoint
        if name == b"data":
            is_only = event.url is None
            event.url = line.end(1) - len(value), line.end(1)
            return is_only and self._origin.localised(value, self._local) != value
        return name in _IGNORED

    def _may_go_on(self, text: bytes, *, at_start: bool) -> bool:
        """Whether a line that begins with `text` may belong to the event."""
        if at_start and self._at_start and _BYTE_ORDER_MARK.startswith(text):
            return True
        name, value = self._field(text, at_start=at_start)
        if not name:
            return True
        if b":" not in text:
            return any(field.startswith(name) for field in _FIELDS)
        if name == b"event":
            return value == _KIND[: len(value)]
        if name == b"data":
            return self._origin.may_begin(value)
        return name in _IGNORED

    def _field(self, text: bytes, *, at_start: bool) -> tuple[bytes, bytes]:
        """Name and value of a line; no name is a comment, or nothing."""
        if at_start and self._at_start:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        name, _, value = text.partition(b":")
        return name, value.removeprefix(b" ")

    def _mapped(self, held: bytes, event: _Event) -> bytes:
        if event.url is None or not event.is_endpoint:
            return held
        start, end = event.url
        return held[:start] + self._origin.localised(held[start:end], self._local) + held[end:]
