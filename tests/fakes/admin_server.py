"""A stand-in for the running gateway's admin API, on a real Unix socket."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

Answer = tuple[int, Any]


class FakeAdminServer:
    """Answers each "METHOD /path" with what `answers` holds for it: a value or a function.

    `requests` lists what was asked. `delay_s` keeps every answer back.
    """

    def __init__(
        self, path: Path, answers: dict[str, Answer | Callable[[], Answer]], *, delay_s: float = 0
    ) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self._closing = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                fake.requests.append(f"{self.command} {self.path}")
                fake._closing.wait(delay_s)
                answer = fake.answers[fake.requests[-1]]
                status, body = answer() if callable(answer) else answer
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                with contextlib.suppress(ConnectionError):  # the asker may be content already
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def finish(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().finish()

            do_GET = answer  # noqa: N815 - the names that BaseHTTPRequestHandler looks for
            do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing on the tests' standard error."""
                del format, args

            def address_string(self) -> str:
                return "unix"

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
