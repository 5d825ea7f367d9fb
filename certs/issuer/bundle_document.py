"""The trust bundle as a SPIFFE bundle document (SPIFFE Trust Domain and Bundle §4). Pure."""

from __future__ import annotations

import base64
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import InvalidCertificate

#: How often a consumer should look for a new version, seconds.
REFRESH_HINT_S: Final = 300

_COORDINATE_BYTES: Final = {"secp256r1": 32, "secp384r1": 48}
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384"}


def document(bundle_pem: bytes, *, sequence: int) -> dict[str, Any]:
    """A JWK Set with one `x509-svid` key for each authority.

    Raises:
        InvalidCertificate: an authority can't be read, or has no EC P-256 or P-384 key.
    """
    try:
        authorities = [_key(item) for item in x509.load_pem_x509_certificates(bundle_pem)]
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise InvalidCertificate("the bundle holds an authority that can't be read") from error
    return {
        "keys": authorities,
        "spiffe_sequence": sequence,
        "spiffe_refresh_hint": REFRESH_HINT_S,
    }


def _key(authority: x509.Certificate) -> dict[str, Any]:
    key = authority.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise InvalidCertificate("an authority's key has no form in the bundle document")
    size = _COORDINATE_BYTES[key.curve.name]
    numbers = key.public_numbers()
    der = authority.public_bytes(serialization.Encoding.DER)
    return {
        "kty": "EC",
        "use": "x509-svid",
        "crv": _CURVES[key.curve.name],
        "x": _base64url(numbers.x.to_bytes(size, "big")),
        "y": _base64url(numbers.y.to_bytes(size, "big")),
        "x5c": [base64.b64encode(der).decode()],
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
