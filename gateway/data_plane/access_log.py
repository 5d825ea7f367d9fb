"""One JSON line a request: who, where, what came of it; never a query string or a header value."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.data_plane.client import ClientConnection

_LINE = (
    b'{"ts":"%b.%03dZ","event":"request","id":"%b","route":"%b","method":"%b","path":"%b",'
    b'"status":%d,"reason":"%b","mcp_method":"%b","mcp_name":"%b","bytes_up":%d,"bytes_down":%d,'
    b'"first_byte_ms":%.3f,"total_ms":%.3f,"generation":%d,"reused":%b}\n'
)


class AccessLog:
    """Formats lines and gathers them until the loop hands them on."""

    __slots__ = ("_second", "_stamp", "lines")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._second = 0
        self._stamp = b""

    def add(self, client: ClientConnection, now: float) -> None:
        """Add the line of a finished exchange; `now` is the loop's monotonic time."""
        wall = time.time()
        second = int(wall)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        request = client.request
        target = request.target
        query = target.find(b"?")
        first = client.first_byte_at - client.started if client.first_byte_at else 0.0
        self.lines.append(
            _LINE
            % (
                self._stamp,
                (wall - second) * 1000,
                client.request_id.encode(),
                client.route.name.encode(),
                request.method,
                _escaped(target if query < 0 else target[:query]),
                client.status,
                client.reason.encode(),
                _escaped(request.mcp_method),
                _escaped(request.mcp_name),
                client.bytes_up,
                client.bytes_down,
                first * 1000,
                (now - client.started) * 1000,
                client.generation,
                b"true" if client.reused else b"false",
            )
        )


def _escaped(text: bytes) -> bytes:
    """Text for the inside of a JSON string. Field values hold no control bytes but tab; bytes
    above ASCII are shown as Latin-1.
    """
    if b'"' in text or b"\\" in text or b"\t" in text:
        text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t")
    return text if text.isascii() else text.decode("latin-1").encode()
