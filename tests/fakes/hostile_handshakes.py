"""Servers that break a TLS 1.3 handshake, each in one way."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.fakes.authority import Leaf
from tests.fakes.tls_server import (
    ALERT,
    APPLICATION_DATA,
    HANDSHAKE,
    SUITE,
    Change,
    Closed,
    HandMadeServer,
    certificate_list,
    chain_der,
    extension,
    hello,
    message,
    record,
    retry_for,
    share,
    versions,
)

#: Breaks one handshake; gives what the client said to it.
Attack = Callable[[HandMadeServer], bytes]


class HostileServer:
    """Carries out `attack` on each connection, with a leaf of its own; a context manager.

    Attributes:
        port: where.
        heard: what was said to each attack.
    """

    def __init__(self, leaf: Leaf) -> None:
        key = load_pem_private_key(leaf.key_pem.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._chain = chain_der(x509.load_pem_x509_certificates(leaf.chain_pem.encode()))
        self.attack: Attack = HandMadeServer.drain
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client did not let go"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._converse, args=(sock,)))
            self._threads[-1].start()

    def _converse(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        with sock:
            try:
                heard = self.attack(HandMadeServer(sock, self._key, self._chain))
            except Closed as closed:
                heard = closed.said
            except ConnectionError:
                heard = b""
        self.heard.append(heard)


def flight(until: str = "", /, **changes: Change) -> Attack:
    """The server's messages as far as `until`, some of them changed."""

    def attack(server: HandMadeServer) -> bytes:
        server.answer(server.read_hello(), changes, until=until)
        return server.drain()

    return attack


def retrying(*groups: bytes) -> Attack:
    """A HelloRetryRequest for each of the extensions given, and then the flight."""

    def attack(server: HandMadeServer) -> bytes:
        asked = server.read_hello()
        for extensions in groups:
            server.ask_again(asked, extensions)
            asked = server.read_hello()
        server.answer(asked, {})
        return server.drain()

    return attack


def raw(data: bytes) -> Attack:
    """Bytes in the place of a ServerHello."""

    def attack(server: HandMadeServer) -> bytes:
        server.read_hello()
        server.send_raw(data)
        return server.drain()

    return attack


def stopping(until: str | None, end: Attack) -> Attack:
    """An end behind a message of the flight, behind the ClientHello (""), or at once (None)."""

    def attack(server: HandMadeServer) -> bytes:
        if until is not None:
            asked = server.read_hello()
            if until:
                server.answer(asked, {}, until=until)
        return end(server)

    return attack


def other_hello(
    extensions: bytes | None = None,
    *,
    random: bytes = b"",
    session_id: bytes | None = None,
    suite: int = SUITE,
) -> Change:
    """Another ServerHello; what isn't given is as it was."""

    def change(made: bytes) -> bytes:
        own, rest = made[39 : 39 + made[38]], made[39 + made[38] :]
        return hello(
            own if session_id is None else session_id,
            rest[5:] if extensions is None else extensions,
            random=random or made[6:38],
            suite=suite,
        )

    return change


def encrypted(extensions: bytes) -> Change:
    """Other EncryptedExtensions."""
    return instead(message(8, struct.pack("!H", len(extensions)) + extensions))


def instead(content: bytes) -> Change:
    return lambda _made: content


def turned(at: int) -> Change:
    """The message with one bit of a byte turned."""

    def change(made: bytes) -> bytes:
        edited = bytearray(made)
        edited[at] ^= 1
        return bytes(edited)

    return change


def repeated_chain(made: bytes, times: int) -> bytes:
    """The Certificate message with its entries so often behind one another."""
    entries = made[8:] * times
    return message(11, b"\x00" + len(entries).to_bytes(3, "big") + entries)


def _alert(level: int, description: int) -> Attack:
    def end(server: HandMadeServer) -> bytes:
        server.send_raw(server.seal(ALERT, bytes([level, description])))
        return server.drain()

    return end


def _closed(server: HandMadeServer) -> bytes:
    server.end_writing()
    return server.drain()


def _reset(server: HandMadeServer) -> bytes:
    server.reset()
    return b""


_OWN = X25519PrivateKey.generate().public_key().public_bytes_raw()
_GOOD = versions() + share(_OWN)
_DOWNGRADED = bytes(24) + b"DOWNGRD\x01"

_HELLOS: Final[Mapping[str, Change]] = {
    "a group that was not offered": other_hello(versions() + share(bytes(56), 0x001E)),
    "a group without a share": other_hello(versions() + share(b"\x04" + bytes(96), 0x0018)),
    "a share that is too short": other_hello(versions() + share(_OWN[:31])),
    "a share of zeros": other_hello(versions() + share(bytes(32))),
    "no share": other_hello(versions()),
    "no version": other_hello(share(_OWN)),
    "TLS 1.2 by version": other_hello(versions(0x0303) + share(_OWN)),
    "TLS 1.2, downgraded": other_hello(b"", random=_DOWNGRADED, suite=0xC02B),
    "a draft's version": other_hello(versions(0x7F1C) + share(_OWN)),
    "a suite that was not offered": other_hello(_GOOD, suite=0x1305),
    "a suite of TLS 1.2": other_hello(_GOOD, suite=0xC02B),
    "another session": other_hello(_GOOD, session_id=bytes(32)),
    "a session that was not offered": other_hello(_GOOD + extension(41, b"\x00\x00")),
    "an extension twice": other_hello(_GOOD + versions()),
    "a byte too many": lambda made: made + b"\x00",
    "half of it": instead(message(2, b"\x03\x03" + bytes(16))),
    "another message": instead(message(1, bytes(40))),
}
_RETRIES: Final[Mapping[str, tuple[bytes, ...]]] = {
    "for the group that was shared": (retry_for(0x001D),),
    "for a group that was not offered": (retry_for(0x0001),),
    "for nothing": (b"",),
    "twice": (retry_for(0x0018), retry_for(0x0017)),
}
_FLIGHTS: Final[Mapping[str, Mapping[str, Change]]] = {
    "a protocol that was not offered": {"extensions": encrypted(extension(16, b"\x00\x03\x02h2"))},
    "early data that was not offered": {"extensions": encrypted(extension(42, b""))},
    "a key share in the wrong place": {"extensions": encrypted(share(_OWN))},
    "extensions that are left out": {"extensions": instead(b"")},
    "a request without algorithms": {"request": instead(message(13, b"\x00\x00\x00"))},
    "two requests": {"request": lambda made: made + made},
    "a certificate with a context": {"certificate": lambda made: message(11, b"\x01x" + made[5:])},
    "no certificate": {"certificate": instead(certificate_list([]))},
    "a certificate that is left out": {"certificate": instead(b"")},
    "a certificate that is none": {"certificate": instead(certificate_list([b"\x30\x03abc"]))},
    "a certificate 400 times": {"certificate": lambda made: repeated_chain(made, 400)},
    "a certificate of 200 KiB": {"certificate": instead(certificate_list([bytes(204_800)]))},
    "a verification that is left out": {"verify": instead(b"")},
    "a wrong signature": {"verify": turned(-1)},
    "another algorithm": {"verify": lambda made: made[:4] + b"\x08\x04" + made[6:]},
    "an algorithm of TLS 1.2": {"verify": lambda made: made[:4] + b"\x04\x01" + made[6:]},
    "an empty signature": {"verify": instead(message(15, b"\x04\x03\x00\x00"))},
    "a wrong Finished": {"finished": turned(-1)},
    "a short Finished": {"finished": lambda made: message(20, made[4:-1])},
    "a Finished that is left out": {"finished": instead(message(24, b"\x00"))},
    "a message of 16 MiB": {"extensions": instead(b"\x08\xff\xff\xff" + bytes(200_000))},
    "an unknown message": {"extensions": instead(message(99, b"x"))},
    "a HelloRequest": {"extensions": instead(message(0, b""))},
    "a ticket before its time": {"finished": instead(message(4, bytes(40)))},
    "a key update before its time": {"extensions": instead(message(24, b"\x00"))},
}
_RECORDS: Final[Mapping[str, bytes]] = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "SSL 2": b"\x80\x2e\x04\x00\x01\x00\x02" + bytes(40),
    "nothing, without end": record(HANDSHAKE, b"") * 50_000,
    "a record that is too long": b"\x16\x03\x03\x48\x01" + bytes(0x4801),
    "application data": record(APPLICATION_DATA, b"x" * 50),
    "an unknown kind": record(99, b"x"),
    "changes of the cipher without end": record(20, b"\x01") * 50_000,
    "warnings without end": record(ALERT, b"\x01\x5a") * 50_000,
    "half an alert": record(ALERT, b"\x02"),
    "random bytes": os.urandom(5000),
}
_ENDS: Final[Mapping[str, Attack]] = {
    "a fatal alert": _alert(2, 40),
    "a farewell": _alert(1, 0),
    "a close": _closed,
    "a reset": _reset,
}
_WHERE: Final = {
    "a connection": None,
    "a ClientHello": "",
    "a ServerHello": "hello",
    "its extensions": "extensions",
    "its request": "request",
    "its certificate": "certificate",
    "its verification": "verify",
}

#: What a client has to object to, by name.
WRONG: Final[Mapping[str, Attack]] = {
    **{f"ServerHello: {name}": flight("hello", hello=it) for name, it in _HELLOS.items()},
    **{f"retry {name}": retrying(*it) for name, it in _RETRIES.items()},
    **{f"flight: {name}": flight(**it) for name, it in _FLIGHTS.items()},
    **{f"records: {name}": raw(it) for name, it in _RECORDS.items()},
}
#: Where a server ends it, and how.
ENDED: Final[Mapping[str, Attack]] = {
    f"{how} behind {name}": stopping(until, end)
    for name, until in _WHERE.items()
    for how, end in _ENDS.items()
}
#: Where a server falls silent.
SILENT: Final[Mapping[str, Attack]] = {
    **{f"behind {name}": stopping(until, HandMadeServer.drain) for name, until in _WHERE.items()},
    "behind a record of nothing": raw(record(HANDSHAKE, b"")),
}
