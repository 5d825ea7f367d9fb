"""One JSON line a request: who, where, what came of it; never a query string or a header value."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream

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

    def add(self, client: Downstream, now: float) -> None:
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
                client.request_id,
                client.route.encoded_name,
                request.method,
                _escaped(target if query < 0 else target[:query]),
                client.status,
                client.reason.encode() if client.reason else b"",
                _escaped(request.mcp_method) if request.mcp_method else b"",
                _escaped(request.mcp_name) if request.mcp_name else b"",
                client.bytes_up,
                client.bytes_down,
                first * 1000,
                (now - client.started) * 1000,
                client.generation,
                b"true" if client.reused else b"false",
            )
        )


def _escaped(text: bytes) -> bytes:
    """Text for the inside of a JSON string; bytes above ASCII are shown as Latin-1."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _quoted(text)


def _quoted(text: bytes) -> bytes:
    # Escapes whatever isn't ASCII too: no control of a terminal gets into the log.
    return json.dumps(text.decode("latin-1"))[1:-1].encode()


_LONGEST_REMEMBERED: Final = 128
_remembered = lru_cache(maxsize=1024)(_quoted)
