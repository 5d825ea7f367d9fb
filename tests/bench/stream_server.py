"""The upstream of event streams and uploads, a process of its own.

    python -m tests.bench.stream_server PORT CERTIFICATE KEY TRUST_BUNDLE READY_FILE

GET /events   events at a steady pace, each with the time of its sending
GET /idle     one event, then silence
PUT /sink     takes the whole body, then answers; the connection is kept
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

#: Events a second of one stream.
PACE_HZ = 50

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PADDING = b"x" * 120


def event(now_ns: int) -> bytes:
    """One event in one chunk: the monotonic clock is the same for every process."""
    text = b"data: %d %b\n\n" % (now_ns, _PADDING)
    return b"%x\r\n%b\r\n" % (len(text), text)


class Streams:
    """Connections to which events go, one after the other at even distances in time."""

    def __init__(self) -> None:
        self._open: list[ssl.SSLSocket] = []

    def add(self, connection: ssl.SSLSocket) -> None:
        """Send events to it from now on."""
        self._open.append(connection)

    def run(self) -> None:
        """Never returns."""
        due = time.monotonic()
        turn = 0
        while True:
            streams = self._open
            if not streams:
                time.sleep(0.005)
                due = time.monotonic()
                continue
            due += 1 / (PACE_HZ * len(streams))
            time.sleep(max(0.0, due - time.monotonic()))
            turn = (turn + 1) % len(streams)
            try:
                streams[turn].sendall(event(time.monotonic_ns()))
            except OSError:
                streams.pop(turn).close()


def serve(connection: ssl.SSLSocket, streams: Streams, silent: list[ssl.SSLSocket]) -> None:
    """One connection: streams are handed on, uploads are taken one after the other."""
    buffer = bytearray(262_144)
    try:
        connection.do_handshake()
        while head := _read_head(connection):
            text, early = head
            if text.startswith(b"GET /events "):
                connection.sendall(_HEAD)
                streams.add(connection)
                return
            if text.startswith(b"GET /idle "):
                connection.sendall(_HEAD + event(time.monotonic_ns()))
                silent.append(connection)
                return
            _take_body(connection, text, early, buffer)
            connection.sendall(_OK)
    except OSError:
        pass  # the proxy was stopped
    connection.close()


def _read_head(connection: ssl.SSLSocket) -> tuple[bytes, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _take_body(connection: ssl.SSLSocket, head: bytes, early: bytes, buffer: bytearray) -> None:
    length = _LENGTH.search(head)
    left = int(length[1]) - len(early) if length else 0
    while left > 0:
        size = connection.recv_into(buffer)
        if not size:
            raise ConnectionResetError
        left -= size


def main(port: str, certificate: str, key: str, trust_bundle: str, ready: str) -> None:
    """Serve until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(trust_bundle)
    streams = Streams()
    silent: list[ssl.SSLSocket] = []
    threading.Thread(target=streams.run, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=4096)
    Path(ready).touch()
    while True:
        raw, _ = listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=serve, args=(connection, streams, silent), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
