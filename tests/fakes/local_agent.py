"""A plaintext agent behind an ingress, and the route that leads there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

CALLER = "spiffe://acme.example/agent/caller"


@contextmanager
def local_agent() -> Iterator[int]:
    """Answers everything with 200 on a port of 127.0.0.1."""

    def serve(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            while sock.recv(65_536):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listening.accept()
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def ingress_to(port: int) -> dict[str, Any]:
    """What `WorkerRig.change` makes an ingress of its route with, for `CALLER`."""
    return {
        "ingress": True,
        "headers": (),
        "redact": (),
        "tls": {"peers": (CALLER,)},
        "upstream": {"authority": f"localhost:{port}", "addresses": (("127.0.0.1", port),)},
    }
