"""A response body whose payload is changed on its way, and framed anew.

Source: RFC 9112 section 7.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from gateway.data_plane.wire.body import Body, Chunked, Trailers, UntilClose
from gateway.data_plane.wire.fields import Field


class Editor(ABC):
    """Changes a payload as it comes. `done` turns True once it changes nothing any more and holds
    nothing back.
    """

    __slots__ = ("done",)

    done: bool

    @abstractmethod
    def feed(self, payload: bytes) -> bytes:
        """What to pass on now."""

    @abstractmethod
    def end(self) -> bytes:
        """The payload is complete: what of it is left."""


class EditedBody(Body):
    """The edited payload in chunks of our own, for a client that can read chunks. Between two
    pieces it stands between two chunks, until the editor is done: from then on a chunked body is
    passed on as it comes.
    """

    __slots__ = ("_as_it_is", "_fields", "_payload", "_trailers", "editor")

    def __init__(self, body: Body, editor: Editor, trailers: Trailers) -> None:
        self._fields = b""
        self._trailers = trailers
        self.editor = editor
        self._payload = self._unframed(body)
        self._as_it_is = False
        self.done = False
        self.leftover = b""
        self.framing = b"Transfer-Encoding: chunked\r\n"

    def _unframed(self, body: Body) -> Body:
        if isinstance(body, Chunked):
            return Chunked(decode=True, trailers=self._note_trailers)
        return UntilClose(chunked=False) if isinstance(body, UntilClose) else body

    def _note_trailers(self, fields: list[Field]) -> bytes:
        self._fields = self._trailers(fields)
        return b""

    def feed(self, data: bytes) -> bytes:
        """See `Body`."""
        body = self._payload
        read = body.feed(data)
        if self._as_it_is:
            self.done, self.leftover = body.done, body.leftover
            return read
        payload = self.editor.feed(read) if read else b""
        if body.done:
            self.leftover = body.leftover
            return chunk(payload) + self._last()
        if self.editor.done and isinstance(body, Chunked):
            piece = body.stop_decoding(payload, self._trailers)
            self._as_it_is = piece != b""
            return piece
        return chunk(payload)

    def end(self) -> bytes | None:
        """See `Body`."""
        if self._as_it_is or self._payload.end() is None:
            return None
        return self._last()

    def _last(self) -> bytes:
        self.done = True
        return chunk(self.editor.end()) + b"0\r\n%b\r\n" % self._fields


def chunk(payload: bytes) -> bytes:
    """One chunk; b"" for nothing, as an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
