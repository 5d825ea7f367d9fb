"""A TLS 1.3 server made by hand, each of whose messages a test can change, leave out or repeat.

X25519 and TLS_AES_128_GCM_SHA256 alone (RFC 8446). It speaks as far as its Finished; what the
client says behind that is drained.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding

ALERT: Final = 21
HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23
#: The random value that makes a ServerHello a HelloRetryRequest (section 4.1.3).
RETRY: Final = hashlib.sha256(b"HelloRetryRequest").digest()
X25519: Final = 0x001D
SUITE: Final = 0x1301
_SHARE: Final = 51
_VERSIONS: Final = 43
_ECDSA_P256: Final = 0x0403
_SIGNED: Final = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00"

Change = Callable[[bytes], bytes]


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack("!HH", kind, len(content)) + content


def message(kind: int, content: bytes) -> bytes:
    """A handshake message."""
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def record(kind: int, content: bytes) -> bytes:
    """A record that is not encrypted."""
    return struct.pack("!BHH", kind, 0x0303, len(content)) + content


def hello(session_id: bytes, extensions: bytes, *, random: bytes, suite: int = SUITE) -> bytes:
    """A ServerHello, or with `RETRY` as `random` a HelloRetryRequest."""
    body = b"\x03\x03" + random + bytes([len(session_id)]) + session_id
    body += struct.pack("!HB", suite, 0) + struct.pack("!H", len(extensions)) + extensions
    return message(2, body)


def versions(version: int = 0x0304) -> bytes:
    return extension(_VERSIONS, struct.pack("!H", version))


def share(key: bytes, group: int = X25519) -> bytes:
    return extension(_SHARE, struct.pack("!HH", group, len(key)) + key)


def retry_for(group: int) -> bytes:
    return extension(_SHARE, struct.pack("!H", group))


def certificate_list(chain: Sequence[bytes], context: bytes = b"") -> bytes:
    """A Certificate message of DER certificates."""
    entries = b"".join(len(der).to_bytes(3, "big") + der + b"\x00\x00" for der in chain)
    return message(11, bytes([len(context)]) + context + len(entries).to_bytes(3, "big") + entries)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What the server needs of one."""

    raw: bytes
    session_id: bytes
    public: X25519PublicKey | None


class Closed(Exception):
    """The client closed, or sent an alert where a ClientHello was awaited; that is what it said."""

    def __init__(self, said: bytes = b"") -> None:
        super().__init__(said)
        self.said = said


class HandMadeServer:
    """One handshake on a socket, with the leaf's key and the chain, leaf first."""

    def __init__(
        self, sock: socket.socket, key: ec.EllipticCurvePrivateKey, chain: Sequence[bytes]
    ) -> None:
        self._socket = sock
        self._key = key
        self._chain = chain
        self._transcript = hashlib.sha256()
        self._cipher: AESGCM | None = None

    def read_hello(self) -> ClientHello:
        """The next ClientHello."""
        while True:
            kind, content = self._record()
            if kind == ALERT:
                raise Closed(record(kind, content))
            if kind == HANDSHAKE:
                break
        while len(content) < 4 + int.from_bytes(content[1:4], "big"):
            content += self._record()[1]
        return _client_hello(content)

    def answer(self, asked: ClientHello, changes: Mapping[str, Change], *, until: str = "") -> None:
        """The server's flight; `changes` are by the messages' names: hello, extensions,
        request, certificate, verify, finished. Nothing behind `until` is sent.
        """
        assert asked.public is not None, "the client offers no share of X25519"
        self._transcript.update(asked.raw)
        own = X25519PrivateKey.generate()
        made = hello(
            asked.session_id,
            versions() + share(own.public_key().public_bytes_raw()),
            random=os.urandom(32),
        )
        self._send(changes.get("hello", bytes)(made))
        if until == "hello":
            return
        self._encrypt(own.exchange(asked.public))
        steps: dict[str, Callable[[], bytes]] = {
            "extensions": lambda: message(8, b"\x00\x00"),
            "request": lambda: message(
                13, b"\x00\x00\x08" + extension(13, struct.pack("!HH", 2, _ECDSA_P256))
            ),
            "certificate": lambda: certificate_list(self._chain),
            "verify": self._verify,
            "finished": self._finished,
        }
        for name, make in steps.items():
            self._send(changes.get(name, bytes)(make()))
            if name == until:
                return

    def ask_again(self, asked: ClientHello, extensions: bytes) -> None:
        """A HelloRetryRequest; the first ClientHello goes into the transcript as its digest."""
        self._transcript.update(message(254, hashlib.sha256(asked.raw).digest()))
        self._send(hello(asked.session_id, versions() + extensions, random=RETRY))

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._socket.sendall(data)

    def end_writing(self) -> None:
        """Close this direction without a farewell."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def seal(self, kind: int, content: bytes) -> bytes:
        """A record with the present key, if there is one."""
        if self._cipher is None:
            return record(kind, content)
        inner = content + bytes([kind])
        header = struct.pack("!BHH", APPLICATION_DATA, 0x0303, len(inner) + 16)
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return header + self._cipher.encrypt(nonce, inner, header)

    def drain(self) -> bytes:
        """What the client says until it is gone."""
        heard = bytearray()
        with suppress(OSError):
            while piece := self._socket.recv(65_536):
                heard += piece
        return bytes(heard)

    def _send(self, content: bytes) -> None:
        self._transcript.update(content)
        for at in range(0, len(content), 16_384):
            self._socket.sendall(self.seal(HANDSHAKE, content[at : at + 16_384]))

    def _verify(self) -> bytes:
        signed = self._key.sign(_SIGNED + self._transcript.digest(), ec.ECDSA(hashes.SHA256()))
        return message(15, struct.pack("!HH", _ECDSA_P256, len(signed)) + signed)

    def _finished(self) -> bytes:
        key = _expand(self._secret, b"finished", b"", 32)
        return message(20, hmac.digest(key, self._transcript.digest(), "sha256"))

    def _encrypt(self, shared: bytes) -> None:
        early = hmac.digest(bytes(32), bytes(32), "sha256")
        derived = _expand(early, b"derived", hashlib.sha256().digest(), 32)
        handshake = hmac.digest(derived, shared, "sha256")
        self._secret = _expand(handshake, b"s hs traffic", self._transcript.digest(), 32)
        self._cipher = AESGCM(_expand(self._secret, b"key", b"", 16))
        self._iv = int.from_bytes(_expand(self._secret, b"iv", b"", 12), "big")
        self._sequence = 0

    def _record(self) -> tuple[int, bytes]:
        head = self._exactly(5)
        return head[0], self._exactly(int.from_bytes(head[3:], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise Closed
            data += piece
        return data


def chain_der(chain: Sequence[x509.Certificate]) -> list[bytes]:
    return [it.public_bytes(Encoding.DER) for it in chain]


def _client_hello(raw: bytes) -> ClientHello:
    at = 4 + 2 + 32
    session_id = raw[at + 1 : at + 1 + raw[at]]
    at += 1 + raw[at]
    at += 2 + int.from_bytes(raw[at : at + 2], "big")  # suites
    at += 1 + raw[at]  # compression
    at += 2
    while at < len(raw):
        kind, length = struct.unpack_from("!HH", raw, at)
        if kind == _SHARE:
            return ClientHello(raw, session_id, _x25519_of(raw[at + 6 : at + 4 + length]))
        at += 4 + length
    raise ValueError("a ClientHello without a key share")


def _x25519_of(shares: bytes) -> X25519PublicKey | None:
    at = 0
    while at < len(shares):
        group, length = struct.unpack_from("!HH", shares, at)
        if group == X25519:
            return X25519PublicKey.from_public_bytes(shares[at + 4 : at + 4 + length])
        at += 4 + length
    return None


def _expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    name = b"tls13 " + label
    info = struct.pack("!HB", length, len(name)) + name + bytes([len(context)]) + context
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(secret)
