"""What a served SPIFFE Workload API answers, in protobuf's encoding (SPIFFE Workload API §5.1).
Pure.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_PEM: Final = re.compile(rb"-----BEGIN [A-Z ]+-----(.*?)-----END [A-Z ]+-----", re.DOTALL)
_BYTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ServedSvid:
    """One SVID to hand out: certificates are DER, one after the other, the key PKCS#8, DER. `hint`
    is unique among those of a message, or "".
    """

    spiffe_id: str
    chain: bytes
    key: bytes
    bundle: bytes
    hint: str


def der_of(pem: bytes) -> tuple[bytes, ...]:
    """The blocks of a PEM text that was checked before, DER."""
    return tuple(base64.b64decode(found[1]) for found in _PEM.finditer(pem))


def x509_svids(svids: Iterable[ServedSvid]) -> bytes:
    """An X509SVIDResponse; the first one is the default."""
    return b"".join(
        _field(
            1,
            _field(1, svid.spiffe_id.encode())
            + _field(2, svid.chain)
            + _field(3, svid.key)
            + _field(4, svid.bundle)
            + (_field(5, svid.hint.encode()) if svid.hint else b""),
        )
        for svid in svids
    )


def x509_bundles(bundles: Mapping[str, bytes]) -> bytes:
    """An X509BundlesResponse: authorities, DER, by the SPIFFE id of their trust domain."""
    return b"".join(
        _field(2, _field(1, domain.encode()) + _field(2, bundle))
        for domain, bundle in bundles.items()
    )


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
