"""A response body that is read to its end before anything of the answer is passed on."""

from __future__ import annotations

from gateway.data_plane.wire.body import Body, Chunked, FixedLength, UntilClose


class WholeBody(Body):
    """Keeps the payload of `body`, which begins now, instead of passing it on.

    Attributes:
        size: bytes of the payload: those that are announced, or came already.
    """

    __slots__ = ("_body", "_pieces", "size")

    def __init__(self, body: Body) -> None:
        if isinstance(body, Chunked):
            body = Chunked(decode=True)
        elif isinstance(body, UntilClose):
            body = UntilClose(chunked=False)
        self._body = body
        self._pieces: list[bytes] = []
        self.size = body.remaining if isinstance(body, FixedLength) else 0
        self.done = body.done
        self.leftover = b""
        self.framing = b""

    @property
    def payload(self) -> bytes:
        """What came so far."""
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> bytes:
        """Always b"": nothing is to be passed on."""
        piece = self._body.feed(data)
        if piece:
            self._pieces.append(piece)
            if not isinstance(self._body, FixedLength):
                self.size += len(piece)
        self.done, self.leftover = self._body.done, self._body.leftover
        return b""

    def end(self) -> bytes | None:
        """See `Body`."""
        if self._body.end() is None:
            return None
        self.done = True
        return b""
