"""TLS 1.3 records made by hand, for what no library lets a peer send.

The keys come from the secrets that `ssl` logs (RFC 8446 section 7); from the handshake's end on
nothing else may write to the connection.
"""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23
#: A KeyUpdate that asks for one in return (RFC 8446 section 4.6.3).
KEY_UPDATE: Final = b"\x18\x00\x00\x01\x01"


class RecordWriter:
    """Writes with the keys of one side, which must be TLS_AES_256_GCM_SHA384's."""

    def __init__(self, sock: socket.socket, key_log: Path, *, side: str) -> None:
        """`side` is "CLIENT" or "SERVER"; no record may have been sent since the handshake."""
        self._socket = sock
        label = f"{side}_TRAFFIC_SECRET_0 "
        lines = [line for line in key_log.read_text().splitlines() if line.startswith(label)]
        self._use(bytes.fromhex(lines[-1].split()[2]))

    def send(self, kind: int, content: bytes) -> None:
        """One record."""
        inner = content + bytes([kind])
        header = struct.pack("!BHH", 23, 0x0303, len(inner) + 16)
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        self._socket.sendall(header + self._cipher.encrypt(nonce, inner, header))

    def update_key(self) -> None:
        """A KeyUpdate, and from then on the next key."""
        self.send(HANDSHAKE, KEY_UPDATE)
        self._use(_expand(self._secret, b"traffic upd", 48))

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(_expand(secret, b"key", 32))
        self._iv = int.from_bytes(_expand(secret, b"iv", 12), "big")
        self._sequence = 0


def logging_keys(context: ssl.SSLContext, path: Path) -> ssl.SSLContext:
    """Have the context log its secrets, and send no ticket of its own."""
    context.keylog_filename = str(path)
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    return context


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    name = b"tls13 " + label
    info = struct.pack("!HB", length, len(name)) + name + b"\x00"
    return HKDFExpand(algorithm=hashes.SHA384(), length=length, info=info).derive(secret)
