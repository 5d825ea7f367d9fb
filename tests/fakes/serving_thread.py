"""Servers of the standard library in a thread of their own."""

from __future__ import annotations

import threading
from socketserver import BaseServer
from typing import Self


class ServingThread:
    """Serves from entering the context to leaving it; it listens already when it is made."""

    def __init__(self, server: BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
