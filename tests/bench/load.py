"""What goes through a proxy: small requests by wrk, event streams, bulk bodies."""

from __future__ import annotations

import json
import selectors
import signal
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("small_requests.lua")
_DEADLINE_S = 60.0
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What wrk saw; `errors` counts answers above 399 and broken connections."""

    requests: int
    took_us: int
    errors: int
    p50_us: int
    p99_us: int


def small_requests(
    port: int, *, connections: int, seconds: float, path: str = "/mcp", pause_ms: int = 0
) -> Requests:
    """Each connection sends its next request a pause after the answer to the last."""
    command = ["wrk", "-t1", f"-c{connections}", "-d1h", "--timeout", "10s", "--latency"]
    command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}", "--", path, str(pause_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # its own durations are whole seconds
        try:
            text, _ = process.communicate(timeout=_DEADLINE_S)
        finally:
            process.kill()
    line = next(line for line in text.splitlines() if line.startswith("RESULT "))
    return Requests(**json.loads(line.removeprefix("RESULT ")))


def _request(port: int, method: str, path: str, length: int = 0) -> bytes:
    more = f"Content-Length: {length}\r\n" if length else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode()


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class EventStreams:
    """Streams opened through a proxy; a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> EventStreams:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()

    def open(self, count: int, path: str) -> None:
        """Open so many more and wait for the first event of each."""
        request = _request(self._port, "GET", path)
        for start in range(0, count, 32):
            batch = [_connect(self._port) for _ in range(min(32, count - start))]
            self._sockets += batch
            for sock in batch:
                sock.sendall(request)
            for sock in batch:
                data = b""
                while b"data: " not in data:
                    more = sock.recv(65_536)
                    if not more:
                        raise ConnectionError(f"no event stream: {data[:200]!r}")
                    data += more

    def listen(self, seconds: float) -> list[int]:
        """Read all streams for a while; nanoseconds that each event was on its way."""
        took: list[int] = []
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            for sock in self._sockets:
                selector.register(sock, selectors.EVENT_READ)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                for key, _ in selector.select(0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65_536)
                    now = time.monotonic_ns()
                    if not data:
                        raise ConnectionError("an event stream ended")
                    took += [now - int(piece.split(None, 1)[0]) for piece in _events(data)]
        return took


def _events(data: bytes) -> list[bytes]:
    """Events that are whole; one cut in two by a read is left out, which is rare."""
    return [piece for piece in data.split(b"data: ")[1:] if len(piece) > 24]


def percentile(values: list[int], percent: int) -> float:
    """Of at least two values."""
    return statistics.quantiles(values, n=100)[percent - 1]


def download(port: int, size: int) -> None:
    """Fetch the bulk file once."""
    buffer = bytearray(_BLOCK)
    with _connect(port) as sock:
        sock.sendall(_request(port, "GET", "/bulk"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += _some(sock)
        left = size - len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            got = sock.recv_into(buffer)
            if not got:
                raise ConnectionError(f"the download ended {left} bytes early")
            left -= got


def upload(port: int, size: int) -> None:
    """Send a body of that size and wait for the answer."""
    block = memoryview(bytes(_BLOCK))
    with _connect(port) as sock:
        sock.sendall(_request(port, "PUT", "/sink", size))
        for start in range(0, size, _BLOCK):
            sock.sendall(block[: size - start])
        answer = _some(sock)
        if b" 200 " not in answer[:16]:
            raise ConnectionError(f"the upload was refused: {answer[:200]!r}")


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise ConnectionError("the connection was closed")
    return data
