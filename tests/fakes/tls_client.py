"""A client of an ingress, which can close the two directions of its TLS connection apart.

The standard library's own TLS socket waits for the other side's farewell after its own, and so can
neither be half closed nor end without one.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from tests.fakes.raw_client import RawClient

T = TypeVar("T")


class TlsClient(RawClient):
    """One connection; it shakes hands on construction, and raises `ssl.SSLError` when that fails.

    Attributes:
        tls: what was agreed on.
    """

    def __init__(
        self,
        sock: socket.socket,
        host: str,
        context: ssl.SSLContext,
        *,
        session: ssl.SSLSession | None = None,
    ) -> None:
        wrapped = _TlsSocket(sock, context, session)
        self.tls = wrapped.tls
        super().__init__(cast("socket.socket", wrapped), host)


class _TlsSocket:
    """What `RawClient` uses of a socket."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, session: ssl.SSLSession | None
    ) -> None:
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, session=session)
        self._run(self.tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Encrypt and send at once."""
        self._run(lambda: self.tls.write(data))

    def recv(self, most: int) -> bytes:
        """Some bytes; b"" after a close_notify. Raises `ssl.SSLEOFError` for an end without one."""
        try:
            return self._run(lambda: self.tls.read(most))
        except ssl.SSLZeroReturnError:
            return b""

    def shutdown(self, _how: int) -> None:
        """Send close_notify; reading goes on."""
        with suppress(ssl.SSLError):  # the other side's farewell isn't awaited
            self.tls.unwrap()
        self._flush()

    def settimeout(self, seconds: float) -> None:
        """Of the socket below."""
        self._socket.settimeout(seconds)

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """Of the socket below."""
        self._socket.setsockopt(level, name, value)

    def close(self) -> None:
        """Close the socket, without a farewell."""
        self._socket.close()

    def _run(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except ssl.SSLError:
                self._flush()
                raise
            else:
                self._flush()
                return result

    def _receive(self) -> None:
        data = self._socket.recv(262_144)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if sealed := self._outgoing.read():
            self._socket.sendall(sealed)
