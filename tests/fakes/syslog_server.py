"""Syslog receivers that take nothing but what RFC 5424 and its transports allow."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

_HEAD: Final = re.compile(
    rb"<(?P<pri>0|[1-9][0-9]{0,2})>1 "
    rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
)
_NAME: Final = rb"[!#-<>-\\^-~]{1,32}"
_VALUE: Final = rb'"(?:[^"\\\]]|\\.)*"'
_ELEMENT: Final = re.compile(rb"\[(" + _NAME + rb")((?: " + _NAME + rb"=" + _VALUE + rb")*)\]")
_PARAMETER: Final = re.compile(rb" (" + _NAME + rb")=(" + _VALUE + rb")")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Message:
    """A message in its parts."""

    facility: int
    severity: int
    at: datetime
    host: str
    app: str
    pid: str
    id: str
    elements: dict[str, dict[str, str]]
    text: str


def parse(data: bytes) -> Message:
    """RFC 5424 section 6, to the letter; anything else is an AssertionError."""
    head = _HEAD.match(data)
    assert head, data[:80]
    priority = int(head["pri"])
    assert priority <= 191
    rest = data[head.end() :]
    elements: dict[str, dict[str, str]] = {}
    if rest.startswith(b"-"):
        rest = rest[1:]
    while found := _ELEMENT.match(rest):
        name = found[1].decode()
        assert name not in elements, "an SD-ID is there once"
        assert "@" in name or name in {"timeQuality", "origin", "meta"}, name
        elements[name] = {
            item[1].decode(): item[2][1:-1].decode() for item in _PARAMETER.finditer(found[2])
        }
        rest = rest[found.end() :]
    assert rest.startswith(b" " + _BOM), rest[:40]
    return Message(
        facility=priority // 8,
        severity=priority % 8,
        at=datetime.fromisoformat(head["time"].decode()),
        host=head["host"].decode(),
        app=head["app"].decode(),
        pid=head["pid"].decode(),
        id=head["id"].decode(),
        elements=elements,
        text=rest[1 + len(_BOM) :].decode("utf-8"),
    )


def frames(stream: bytes) -> list[bytes]:
    """RFC 6587 section 3.4.1: what is whole of a stream of counted messages."""
    found = []
    while stream:
        length, blank, rest = stream.partition(b" ")
        if not blank:
            assert length.isdigit(), length[:20]
            break
        assert re.fullmatch(rb"[1-9][0-9]*", length), length[:20]
        if len(rest) < int(length):
            break
        found.append(rest[: int(length)])
        stream = rest[int(length) :]
    return found


class StreamServer:
    """Takes connections on 127.0.0.1, over TLS where a certificate is given."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.streams: list[bytearray] = []
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(20)

    def cut(self) -> None:
        """End all connections."""
        for opened in self._open:
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    @property
    def messages(self) -> list[Message]:
        """All that are whole."""
        return [parse(frame) for stream in self.streams for frame in frames(bytes(stream))]

    def _accept(self) -> None:
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._read, args=(opened,))
            self._threads.append(thread)
            thread.start()

    def _read(self, opened: socket.socket) -> None:
        try:
            if self._context is not None:
                opened = self._context.wrap_socket(opened, server_side=True)
            self._open.append(opened)
            data = opened.recv(65536)
            stream = bytearray()
            self.streams.append(stream)
            while data:
                stream += data
                data = opened.recv(65536)
        except OSError:
            return
        finally:
            opened.close()
