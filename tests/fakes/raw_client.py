"""A client that sends the bytes it is told to and reads responses strictly."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Self

DEADLINE_S = 10.0


class Truncated(Exception):
    """The connection ended before the message did; `got` is what came of its body."""

    def __init__(self, got: bytes) -> None:
        super().__init__(f"{len(got)} bytes, then the end")
        self.got = got


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole response; `raw_head` as it came."""

    raw_head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.raw_head.split(b" ", 2)[1])

    def field(self, name: str) -> str | None:
        """A header's value, None when it is absent; it may stand only once."""
        return field_of(self.raw_head, name)


def field_of(head: bytes, name: str) -> str | None:
    """A header's value in a head."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    found = [
        line.partition(":")[2].strip()
        for line in lines
        if line.lower().startswith(name.lower() + ":")
    ]
    assert len(found) < 2, f"{name} stands {len(found)} times"
    return found[0] if found else None


class RawClient:
    """One connection to the gateway."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        sock.settimeout(DEADLINE_S)
        self.socket = sock
        self.host = host
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # -- writing ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def head(self, target: str = "/", *lines: str, method: str = "GET", minor: int = 1) -> bytes:
        """A request head for this listener."""
        first = f"{method} {target} HTTP/1.{minor}"
        return "\r\n".join([first, f"Host: {self.host}", *lines, "", ""]).encode()

    def get(self, target: str = "/", *lines: str) -> Response:
        """One GET."""
        self.send(self.head(target, *lines))
        return self.read_response()

    def post(self, body: bytes, target: str = "/", *lines: str) -> Response:
        """One POST with a Content-Length."""
        self.send(self.post_bytes(body, target, *lines))
        return self.read_response()

    def post_bytes(self, body: bytes, target: str = "/", *lines: str) -> bytes:
        """A POST with a Content-Length, as bytes."""
        return self.head(target, f"Content-Length: {len(body)}", *lines, method="POST") + body

    def half_close(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Vanish."""
        self.socket.close()

    # -- reading ---------------------------------------------------------------------------------

    def read_head(self) -> bytes:
        """A response's head, interim ones included."""
        return self.read_until(b"\r\n\r\n")

    def read_until(self, marker: bytes) -> bytes:
        """Bytes up to and including the marker."""
        while marker not in self._buffer:
            self._more()
        end = self._buffer.index(marker) + len(marker)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    def read_exactly(self, size: int) -> bytes:
        """As many bytes."""
        pieces = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        left = size - len(pieces[0])
        while left:
            piece = self.socket.recv(min(left, 1 << 20))
            if not piece:
                raise Truncated(b"".join(pieces))
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def read_chunk(self) -> bytes:
        """One chunk's payload; b"" for the last one, whose trailer section must be empty."""
        size = int(self.read_until(b"\r\n"), 16)
        payload = self.read_exactly(size)
        assert self.read_exactly(2) == b"\r\n"
        return payload

    def read_response(self, *, method: str = "GET") -> Response:
        """A final response with its whole body; interim responses before it are an error."""
        head = self.read_head()
        status = int(head.split(b" ", 2)[1])
        assert status >= 200, head
        return Response(raw_head=head, body=self._body(head, status, method))

    def _body(self, head: bytes, status: int, method: str) -> bytes:
        if method == "HEAD" or status in {204, 304}:
            return b""
        if field_of(head, "Transfer-Encoding") == "chunked":
            assert field_of(head, "Content-Length") is None
            pieces = []
            try:
                while piece := self.read_chunk():
                    pieces.append(piece)
            except Truncated as cut:
                raise Truncated(b"".join([*pieces, cut.got])) from None
            return b"".join(pieces)
        length = field_of(head, "Content-Length")
        return self.read_exactly(int(length)) if length is not None else self.read_to_end()

    def read_to_end(self) -> bytes:
        """Everything up to a clean end; a reset raises ConnectionResetError."""
        pieces = [self._buffer]
        self._buffer = b""
        while piece := self.socket.recv(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def ended(self) -> bool:
        """Wait for the gateway's end of the connection; False if bytes come instead."""
        if self._buffer:
            return False
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            return True
        self._buffer += data
        return not data

    def is_quiet(self, for_s: float = 0.1) -> bool:
        """Whether nothing arrives for a moment, not even the end."""
        if self._buffer:
            return False
        self.socket.settimeout(for_s)
        try:
            self._buffer += self.socket.recv(65_536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE_S)
        return False

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise Truncated(self._buffer)
        self._buffer += data
