"""Where an event stream stands between two events. Pure.

Source: the WHATWG HTML standard, server-sent events, parsing an event stream.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.data_plane.endpoint_event import EndpointEvent
from gateway.data_plane.wire.edited import Editor

_LINE: Final = re.compile(rb"([^\r\n]*+)(\r\n|[\r\n]|\Z)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_COLON: Final = 0x3A


class EventEdges(Editor):
    """Follows a stream line by line, as it comes or behind the one that maps its endpoint.

    Attributes:
        moved: set with each piece; whoever reads it clears it.
    """

    __slots__ = (
        "_bare_cr",
        "_before",
        "_begun",
        "_cr",
        "_in_comment",
        "_in_line",
        "_lead",
        "_open",
        "moved",
    )

    def __init__(self, before: EndpointEvent | None = None) -> None:
        self._before = before
        self._begun = False
        self._in_line = False  # the last line isn't complete
        self._in_comment = False  # the last line is a comment
        self._open = False  # the event has a line that is none
        self._cr = False  # an LF may still belong to the last end of line
        self._bare_cr = False  # lines of this stream end with CR alone
        self._lead: bytes | None = None  # see `insert`
        self.moved = False
        self.done = False

    @property
    def between(self) -> bool:
        """Whether what came is complete: each line ended, and the last event by its empty line."""
        if self._before is not None and self._before.holds:
            return False
        return not (self._in_line or self._open or (self._cr and not self._bare_cr))

    def insert(self, comment: bytes) -> bytes:
        """What to send of a comment where the stream stands `between`. A byte order mark is one at
        the start only: none may come any more once the comment was first.
        """
        if not self._begun and self._lead is None:
            self._lead = b""
        return comment

    def feed(self, payload: bytes) -> bytes:
        """See `Editor`."""
        if self._before is not None:
            payload = self._before.feed(payload)
        if self._lead is not None:
            payload = self._without_mark(payload)
        if payload:
            self._follow(payload)
        return payload

    def end(self) -> bytes:
        """See `Editor`."""
        rest = self._before.end() if self._before is not None else b""
        return (self._lead or b"") + rest

    def _without_mark(self, payload: bytes) -> bytes:
        lead = (self._lead or b"") + payload
        if len(lead) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(lead):
            self._lead = lead
            return b""
        self._lead = None
        return lead.removeprefix(_BYTE_ORDER_MARK)

    def _follow(self, payload: bytes) -> None:
        self.moved = self._begun = True
        at = 0
        if self._cr:
            self._cr = False
            if payload[0] == 0x0A:
                at = 1
            else:
                self._bare_cr = True
        for line in _LINE.finditer(payload, at):
            text, end = line.groups()
            if text:
                if not self._in_line:
                    self._in_comment = text[0] == _COLON
                self._in_line = True
            if end:
                self._end_line()
            if end == b"\r":
                self._cr = line.end() == len(payload)
                self._bare_cr = self._bare_cr or not self._cr

    def _end_line(self) -> None:
        if not self._in_line:
            self._open = False
        elif not self._in_comment:
            self._open = True
        self._in_line = False
