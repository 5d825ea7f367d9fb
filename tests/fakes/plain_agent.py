"""A local agent that speaks plaintext and does exactly what a test's script says."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from tests.fakes.scripted_upstream import Conversation, Gone, Script, ScriptedUpstream


class PlainConversation(Conversation):
    """The agent's end of one connection."""

    def __init__(self, upstream: ScriptedUpstream, sock: socket.socket, number: int) -> None:
        self._upstream = upstream
        self.socket = sock
        self.number = number
        self.serial = 0
        self._buffer = b""

    def handshake(self) -> None:
        """There is none."""

    def send(self, data: bytes) -> None:
        """Send at once."""
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            raise Gone("reset") from None

    def end_writing(self) -> None:
        """Shut the sending side; reading goes on."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _read(self, most: int) -> bytes:
        try:
            return self.socket.recv(most)
        except ConnectionError:
            raise Gone("reset") from None


class PlainAgent(ScriptedUpstream):
    """Listens on 127.0.0.1, in plaintext."""

    def __init__(self, script: Script) -> None:
        super().__init__(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), script)
        self.conversation = PlainConversation
