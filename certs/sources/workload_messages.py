"""The one message of the SPIFFE Workload API that is read here, X509SVIDResponse, from its protobuf
encoding (fields 1 svids, 3 federated_bundles; workload.proto of the standard). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from certs.errors import ReplyRejected

_VARINT: Final = 0
_FIXED_64: Final = 1
_BYTES: Final = 2
_FIXED_32: Final = 5
_MOST_SVIDS: Final = 256
_MOST_CERTIFICATES: Final = 256
_SEQUENCE: Final = 0x30


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WorkloadSvid:
    """One SVID as it came, unchecked: chain and bundle are certificates, DER, one after the other;
    the key is PKCS#8, DER.
    """

    spiffe_id: str
    chain: bytes
    key: bytes
    bundle: bytes
    hint: str


def read_svids(message: bytes) -> tuple[WorkloadSvid, ...]:
    """The SVIDs of a response, the default one first. Unknown fields are skipped.

    Raises:
        ReplyRejected: not such a message.
    """
    svids = [_svid(value) for number, value in _fields(message) if number == 1]
    if len(svids) > _MOST_SVIDS:
        raise ReplyRejected(f"fetch: the reply has over {_MOST_SVIDS} SVIDs")
    return tuple(svids)


def split_der(data: bytes) -> Iterator[bytes]:
    """The certificates of a concatenation.

    Raises:
        ReplyRejected: not a sequence of DER sequences.
    """
    at = 0
    for _ in range(_MOST_CERTIFICATES):
        if at == len(data):
            return
        end = _end_of_der(data, at)
        yield data[at:end]
        at = end
    raise ReplyRejected(f"fetch: over {_MOST_CERTIFICATES} certificates in a row")


def _svid(message: bytes) -> WorkloadSvid:
    parts = {number: value for number, value in _fields(message) if 1 <= number <= 5}
    try:
        return WorkloadSvid(
            spiffe_id=parts.get(1, b"").decode("ascii"),
            chain=parts.get(2, b""),
            key=parts.get(3, b""),
            bundle=parts.get(4, b""),
            hint=parts.get(5, b"").decode(),
        )
    except UnicodeDecodeError:
        raise ReplyRejected("fetch: an SVID's name or hint is not text") from None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each length-delimited field."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in (_FIXED_32, _FIXED_64):
            size = 4 if kind == _FIXED_32 else 8
        else:
            raise _malformed()
        if at + size > len(message) or not number:
            raise _malformed()
        if kind == _BYTES:
            yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if at + index >= len(message):
            break
        byte = message[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise _malformed()


def _end_of_der(data: bytes, at: int) -> int:
    """X.690 §8.1.3: the length of the element that begins at `at`."""
    if len(data) < at + 2 or data[at] != _SEQUENCE:
        raise ReplyRejected("fetch: the certificates are not DER")
    size, begin = data[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3 or len(data) < begin + count:
            raise ReplyRejected("fetch: the certificates are not DER")
        size = int.from_bytes(data[begin : begin + count])
        begin += count
    if begin + size > len(data):
        raise ReplyRejected("fetch: the certificates are cut off")
    return begin + size


def _malformed() -> ReplyRejected:
    return ReplyRejected(
        "fetch: the reply is not an X509SVIDResponse", hint="is the socket a SPIFFE Workload API's?"
    )
