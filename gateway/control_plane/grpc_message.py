"""Texts and frames of gRPC over HTTP/2, as a server needs them (gRPC's PROTOCOL-HTTP2.md). Pure."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from gateway.errors import GatewayError

PREFIX_BYTES: Final = 5
_CONTENT_TYPE: Final = re.compile(r"application/grpc(\+[^;]*)?[ \t]*(;.*)?", re.IGNORECASE)
_TIMEOUT: Final = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Code(IntEnum):
    """Statuses that are given here, by gRPC's numbers."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class CallFailed(GatewayError):
    """How a call ends that isn't answered: a status, and words for the caller."""

    remedy = "the program that calls the Workload API has to be corrected, or told another address"

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_grpc(content_type: str) -> bool:
    """Whether a call has this `content-type`. gRPC-Web is another protocol."""
    return _CONTENT_TYPE.fullmatch(content_type) is not None


def framed(message: bytes) -> bytes:
    """A message behind its prefix: not compressed, and its length."""
    return b"\0" + len(message).to_bytes(4) + message


def take_message(received: bytearray, *, encoding: str, most_bytes: int) -> bytes | None:
    """The one message that a call begins with, once it is there whole.

    Args:
        encoding: the call's `grpc-encoding`; "" where it has none.

    Raises:
        CallFailed: it is compressed or too large, or more than one.
    """
    if len(received) < PREFIX_BYTES:
        return None
    size = int.from_bytes(received[1:PREFIX_BYTES])
    if received[0]:
        raise _compressed(received[0], encoding)
    if size > most_bytes:
        raise CallFailed(Code.RESOURCE_EXHAUSTED, f"the message is larger than {most_bytes} bytes")
    end = PREFIX_BYTES + size
    if len(received) > end:
        raise CallFailed(Code.INTERNAL, "the call has one message, and more has come")
    return bytes(received[PREFIX_BYTES:end]) if len(received) == end else None


def _compressed(flag: int, encoding: str) -> CallFailed:
    """gRPC's compression.md: an unknown encoding is told apart from one that isn't named."""
    if flag == 1 and encoding not in ("", "identity"):
        return CallFailed(Code.UNIMPLEMENTED, "compressed messages are not taken here")
    return CallFailed(Code.INTERNAL, "the message is marked as compressed, by no encoding")


def percent_encoded(text: str) -> str:
    """A status's message as its trailer holds it: what isn't printable ASCII by its UTF-8 bytes."""
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"
        for byte in text.encode("utf-8", "backslashreplace")
    )


def timeout_s(text: str) -> float | None:
    """The caller's `grpc-timeout` in seconds; None where it sent none.

    Raises:
        CallFailed: it has another form.
    """
    if not text:
        return None
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise CallFailed(Code.INVALID_ARGUMENT, "the grpc-timeout is not readable")
    return int(found[1]) * _UNIT_S[found[2]]
