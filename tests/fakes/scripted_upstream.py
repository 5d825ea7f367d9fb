"""A remote agent that does exactly what a test's script says, byte by byte.

It speaks TLS 1.3 with a required client certificate over the standard library's `ssl`, so that a
mistake in the gateway's own TLS layer can't hide itself. Each connection runs its script in a
thread of its own; a script that raises anything but `Gone` fails the test when the upstream is
closed.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TypeVar

from cryptography import x509

T = TypeVar("T")
DEADLINE_S = 10.0


class Gone(Exception):
    """The gateway ended the connection; `how` is "cut" or "reset"."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


@dataclass(slots=True, kw_only=True)
class Received:
    """One request as it arrived."""

    head: bytes
    body: bytes = b""
    serial: int
    connection: int
    fields: dict[str, str] = field(init=False)
    method: str = field(init=False)
    target: str = field(init=False)

    def __post_init__(self) -> None:
        first, *lines = self.head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        pairs = [line.partition(": ") for line in lines if line]
        self.fields = {name.lower(): value for name, _, value in pairs}


class Conversation:
    """The upstream's end of one connection.

    Attributes:
        number: counts connections from 1.
        serial: serial number of the client's certificate.
    """

    def __init__(self, upstream: ScriptedUpstream, sock: socket.socket, number: int) -> None:
        self._upstream = upstream
        self.socket = sock
        self.number = number
        self.serial = 0
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = upstream.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._buffer = b""

    def handshake(self) -> None:
        """Shake hands; a refusal's alert is sent before `ssl.SSLError` is raised."""
        self._run(self._tls.do_handshake)
        self._flush()
        der = self._tls.getpeercert(binary_form=True)
        self.serial = x509.load_der_x509_certificate(der).serial_number if der else 0

    # -- reading ---------------------------------------------------------------------------------

    def read(self, most: int = 65_536) -> bytes:
        """Some bytes; b"" after a close_notify. Raises `Gone`."""
        if self._buffer:
            data, self._buffer = self._buffer[:most], self._buffer[most:]
            return data
        return self._read(most)

    def read_exactly(self, size: int) -> bytes:
        """As many bytes."""
        pieces = []
        while size:
            piece = self.read(size)
            if not piece:
                raise Gone("closed")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def read_until(self, marker: bytes) -> bytes:
        """Bytes up to and including the marker; b"" at a clean end before the first byte."""
        while marker not in self._buffer:
            data = self._read(65_536)
            if not data:
                if self._buffer:
                    raise Gone("closed")
                return b""
            self._buffer += data
        end = self._buffer.index(marker) + len(marker)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    def read_head(self) -> Received | None:
        """The next request's head, recorded; None when the gateway has closed."""
        head = self.read_until(b"\r\n\r\n")
        if not head:
            return None
        received = Received(head=head, serial=self.serial, connection=self.number)
        self._upstream.requests.append(received)
        return received

    def read_body(self, received: Received) -> Iterator[bytes]:
        """The body's payload, piece by piece."""
        if received.fields.get("transfer-encoding") == "chunked":
            while size := int(self.read_until(b"\r\n"), 16):
                yield self.read_exactly(size)
                assert self.read_exactly(2) == b"\r\n"
            assert self.read_until(b"\r\n") == b"\r\n"
            return
        left = int(received.fields.get("content-length", "0"))
        while left:
            piece = self.read(min(left, 1 << 20))
            if not piece:
                raise Gone("closed")
            left -= len(piece)
            yield piece

    def read_request(self) -> Received | None:
        """The next request with its body; None when the gateway has closed."""
        received = self.read_head()
        if received is not None:
            received.body = b"".join(self.read_body(received))
        return received

    def wait_gone(self) -> str:
        """Wait for the gateway to end the connection: "closed" (with a farewell), "cut" or "reset".

        Bytes that still come are dropped.
        """
        try:
            while self.read():
                pass
        except Gone as gone:
            return gone.how
        return "closed"

    # -- writing ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Encrypt and send at once."""
        self._run(lambda: self._tls.write(data))
        self._flush()

    def send_each(self, data: bytes, size: int = 1) -> None:
        """Send in records of `size` bytes, each in a segment of its own."""
        for at in range(0, len(data), size):
            self.send(data[at : at + size])

    def send_segmented(self, data: bytes, size: int = 1) -> None:
        """One record, but TCP segments of `size` bytes."""
        self._run(lambda: self._tls.write(data))
        sealed = self._outgoing.read()
        for at in range(0, len(sealed), size):
            self.socket.sendall(sealed[at : at + size])

    def end_writing(self) -> None:
        """Send close_notify; reading goes on."""
        with suppress(ssl.SSLError):  # the other side's farewell isn't awaited
            self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        """Farewell and close."""
        self.end_writing()
        self.socket.close()

    def cut(self) -> None:
        """Close the TCP connection without a farewell."""
        self.socket.close()

    def reset(self) -> None:
        """Reset the TCP connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- plumbing --------------------------------------------------------------------------------

    def _read(self, most: int) -> bytes:
        try:
            return self._run(lambda: self._tls.read(most))
        except ssl.SSLZeroReturnError:
            return b""

    def _run(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except ssl.SSLEOFError:
                raise Gone("cut") from None
            except ssl.SSLError:
                self._flush()
                raise

    def _receive(self) -> None:
        try:
            data = self.socket.recv(262_144)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Gone("reset") from None
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        sealed = self._outgoing.read()
        if sealed:
            try:
                self.socket.sendall(sealed)
            except TimeoutError:
                raise
            except OSError:
                raise Gone("reset") from None


Script = Callable[[Conversation], None]


class ScriptedUpstream:
    """Listens on 127.0.0.1, or the address given, and runs the script for each connection.

    Attributes:
        port: where.
        context, script, conversation: may be exchanged between connections.
        requests: every request head that was read, in order, with the certificate's serial.
        accepted: TCP connections so far; `refused` those whose handshake failed.
        problems: what scripts raised.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        script: Script,
        *,
        receive_buffer: int | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.context = context
        self.script = script
        self.conversation: type[Conversation] = Conversation
        self.requests: list[Received] = []
        self.accepted = 0
        self.refused = 0
        self.problems: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer is not None:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listening.bind((address, 0))
        self._listening.listen(256)
        self.port: int = self._listening.getsockname()[1]
        self._closing = False
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for(self, condition: Callable[[ScriptedUpstream], bool]) -> None:
        """Wait until the condition holds."""
        wait_until(lambda: condition(self))

    def close(self) -> None:
        """End everything; raise what scripts raised."""
        self._closing = True
        for sock in [self._listening, *self._sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a script did not end"
        if self.problems:
            raise self.problems[0]

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(DEADLINE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
            conversation = self.conversation(self, sock, self.accepted)
            self._start(lambda conversation=conversation: self._converse(conversation))  # type: ignore[misc]

    def _converse(self, conversation: Conversation) -> None:
        try:
            with conversation.socket:
                try:
                    conversation.handshake()
                except ssl.SSLError:
                    self.refused += 1
                    _await_end(conversation.socket)
                    return
                self.script(conversation)
        except Gone:
            pass
        except BaseException as problem:  # noqa: BLE001 - raised again by `close`
            if not self._closing:
                self.problems.append(problem)


def _await_end(sock: socket.socket) -> None:
    """Let an alert be read before the socket is closed."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass


def wait_until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Wait for something that another thread or process brings about."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# -- scripts ---------------------------------------------------------------------------------------


def response(body: bytes = b"", *lines: str, status: str = "200 OK") -> bytes:
    """A response with a Content-Length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def chunks(*pieces: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def answering(answer: Callable[[Received], bytes]) -> Script:
    """Read each request whole, send the answer, until the gateway closes."""

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            conversation.send(answer(received))

    return script


def fixed(answer: bytes) -> Script:
    """Always the same answer."""
    return answering(lambda _: answer)


def echo(received: Received) -> bytes:
    """The request's body as the response's."""
    return response(received.body)


def digest(received: Received) -> bytes:
    """What came: the target and the hash of the body."""
    return response(f"{received.target} {hashlib.sha256(received.body).hexdigest()}".encode())
