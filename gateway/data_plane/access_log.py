"""One JSON line a request: who, where, what came of it; never a query string or a header value.

docs/operations/logs.md describes each field.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gateway.data_plane.failure import explanation
from gateway.data_plane.mcp_peek import peeked, shown_name

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream

_LINE = (
    b'{"ts":"%b.%03dZ","event":"request","id":"%b","route":"%b",%b,"connection_age_ms":%d,'
    b'"method":"%b","path":"%b","mcp_method":"%b","mcp_name":"%b","traceparent":"%b","status":%d,'
    b'"reason":"%b","bytes_up":%d,"bytes_down":%d,"first_byte_ms":%.3f,"total_ms":%.3f,%b,'
    b'"upstream_age_ms":%d,"reused":%b,"replayed":%b,"token_refreshed":%b%b}\n'
)
_NOWHERE: Final = b'"upstream":""'
_TRUTH: Final = (b"false", b"true")
_LONGEST_REMEMBERED: Final = 128
_LONGEST_SHOWN: Final = 1024
_HEX_AND_DASHES: Final = b"0123456789abcdef-"
#: version "-" trace-id "-" parent-id "-" flags (W3C Trace Context, section 3.2.2).
_TRACEPARENT_BYTES: Final = 55


class AccessLog:
    """Formats lines and gathers them until the loop hands them on.

    Attributes:
        peeks: whether to look for the method of an MCP request in its body, too.
    """

    __slots__ = ("_second", "_stamp", "lines", "peeks")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.peeks = True
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
        mcp_method = mcp_name = b""
        if request.mcp_method:
            mcp_method = _escaped(request.mcp_method)
            mcp_name = _named(request.mcp_name) if request.mcp_name else b""
        elif client.first and self.peeks:
            mcp_method, mcp_name = peeked(client.first)
        via = client.via
        started = client.started
        self.lines.append(
            _LINE
            % (
                self._stamp,
                (wall - second) * 1000,
                client.request_id,
                client.route.encoded_name,
                client.label,
                (now - client.accepted_at) * 1000,
                request.method,
                _escaped(target if query < 0 else target[:query]),
                mcp_method,
                mcp_name,
                _trace(request.traceparent) if request.traceparent else b"",
                client.status,
                client.reason.encode(),
                client.bytes_up,
                client.bytes_down,
                (client.first_byte_at - started) * 1000 if client.first_byte_at else 0.0,
                (now - started) * 1000,
                via.label if via else _NOWHERE,
                (now - via.made_at) * 1000 if via else 0,
                _TRUTH[client.reused],
                _TRUTH[client.replayed],
                _TRUTH[client.token_refreshed],
                _trouble(client) if client.reason or client.status > 399 else b"",
            )
        )


def _trouble(client: Downstream) -> bytes:
    """The rest of a line that tells of a failure: the supervisor keeps these longer."""
    stage = explanation(client.reason).stage.encode()
    return b',"stage":"%b","detail":"%b"' % (stage, in_json(client.detail))


def _trace(traceparent: bytes) -> bytes:
    """The header, if it can be one."""
    is_one = len(traceparent) == _TRACEPARENT_BYTES
    return traceparent if is_one and not traceparent.translate(None, _HEX_AND_DASHES) else b""


def _escaped(text: bytes) -> bytes:
    """Text for the inside of a JSON string; bytes above ASCII are shown as Latin-1."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _quoted(text)


def _quoted(text: bytes) -> bytes:
    return in_json(text[:_LONGEST_SHOWN].decode("latin-1"))


def _named(value: bytes) -> bytes:
    return _remembered_name(value) if len(value) <= _LONGEST_REMEMBERED else _quoted_name(value)


def _quoted_name(value: bytes) -> bytes:
    return in_json(shown_name(value))


def in_json(text: str) -> bytes:
    """The first of a text for the inside of a JSON string."""
    # Escapes whatever isn't ASCII too: no control of a terminal gets into the log.
    return json.dumps(text[:_LONGEST_SHOWN])[1:-1].encode()


_remembered = lru_cache(maxsize=1024)(_quoted)
_remembered_name = lru_cache(maxsize=1024)(_quoted_name)
