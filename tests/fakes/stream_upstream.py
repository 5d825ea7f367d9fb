"""A remote agent that holds thousands of event streams open, in one thread."""

from __future__ import annotations

import resource
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = b"x" * 16_384


def event(text: bytes) -> bytes:
    """An event in a chunk of its own."""
    data = b"data: %b\n\n" % text
    return b"%x\r\n%b\r\n" % (len(data), data)


class StreamUpstream:
    """Answers each request with a stream whose first event is "0", and keeps it.

    Attributes:
        port: on 127.0.0.1.
        streams: connections of the open streams.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._selector = selectors.DefaultSelector()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        # What waits is to wait in the gateway, and not in megabytes of the system's own.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self.port: int = self._listening.getsockname()[1]
        self.streams: set[ssl.SSLSocket] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def tell_all(self, text: bytes) -> None:
        """An event to every stream."""
        for stream in list(self.streams):
            stream.sendall(event(text))

    def pour(self) -> int:
        """To every stream as much of one endless chunk as the system takes now; how much it was."""
        poured = 0
        for stream in list(self.streams):
            with suppress(ssl.SSLWantWriteError):
                while True:
                    poured += stream.send(_PIECE)
        return poured

    def begin_pouring(self) -> None:
        """The head of that chunk."""
        for stream in list(self.streams):
            stream.sendall(b"7fffffff\r\n")

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.1):
                if key.fileobj is self._listening:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, ssl.SSLSocket)
                    self._serve(key.fileobj)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                plain, _ = self._listening.accept()
                plain.setblocking(False)
                stream = self._context.wrap_socket(
                    plain, server_side=True, do_handshake_on_connect=False
                )
                self._selector.register(stream, selectors.EVENT_READ)

    def _serve(self, stream: ssl.SSLSocket) -> None:
        """Short messages only: one read is a whole head."""
        try:
            stream.do_handshake()
            if stream.recv(65_536):
                stream.sendall(_HEAD + event(b"0"))
                self.streams.add(stream)
                return
        except ssl.SSLWantReadError:
            return
        except OSError:
            pass
        self.streams.discard(stream)
        self._selector.unregister(stream)
        stream.close()


@contextmanager
def many_descriptors() -> Iterator[None]:
    """As many as the system gives, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
