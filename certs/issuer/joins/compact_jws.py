"""Signed texts in the compact form of JWS (RFC 7515 §3.1), read without trust in their headers.

Pure. Of the header only `alg`, `kid` and `typ` are ever looked at: keys and addresses of keys that
a token brings along (`jwk`, `jku`, `x5c`, `x5u`) are its sender's word, and mean nothing here. The
caller says by which algorithms and which key; `none` and the symmetric ones can't be said
(RFC 8725 §3.1).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.issuer.strict_json import json_object

#: The longest text that is looked at.
MAX_BYTES: Final = 12_288

#: What can be asked for, besides what a key of another kind would need.
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip

VerificationKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_MIN_RSA_BITS: Final = 2_048
_MAX_RSA_BITS: Final = 8_192
# RFC 7515 §2: base64url without padding, and nothing else in between.
_FORM: Final = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)


class InvalidJws(Exception):
    """The text is not a JWS that can be looked at; the message never holds any of it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CompactJws:
    """The parts of a JWS whose signature is not checked yet."""

    algorithm: str
    key_id: str
    type: str
    payload: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> CompactJws:
        """Take a text apart.

        Raises:
            InvalidJws: another form, a header that isn't an object of distinct members, or one
                with extensions that must be understood (`crit`).
        """
        match = _FORM.fullmatch(text) if len(text) <= MAX_BYTES else None
        if match is None:
            raise InvalidJws("it is not three parts of base64url")
        header = json_object(_decoded(match[1]))
        if header is None:
            raise InvalidJws("its header is not a JSON object of distinct members")
        if "crit" in header:
            raise InvalidJws("its header asks for extensions (crit)")
        return cls(
            algorithm=_text(header, "alg"),
            key_id=_text(header, "kid"),
            type=_text(header, "typ"),
            payload=_decoded(match[2]),
            signed=f"{match[1]}.{match[2]}".encode(),
            signature=_decoded(match[3]),
        )

    def is_signed_by(self, key: VerificationKey) -> bool:
        """Whether the signature is that key's, by the algorithm of the header, which must be one
        of `ALGORITHMS` and fit the key.
        """
        if not fits(self.algorithm, key):
            return False
        algorithm = jwt.algorithms.get_default_algorithms()[self.algorithm]
        try:
            return bool(algorithm.verify(self.signed, key, self.signature))
        except (ValueError, TypeError, jwt.PyJWTError, UnsupportedAlgorithm):
            return False

    def claims(self) -> dict[str, Any]:
        """The payload as an object.

        Raises:
            InvalidJws: it is none, or has a member twice.
        """
        claims = json_object(self.payload)
        if claims is None:
            raise InvalidJws("its claims are not a JSON object of distinct members")
        return claims


def fits(algorithm: str, key: VerificationKey) -> bool:
    """Whether a key of this kind and size is used with this algorithm (RFC 7518 §3.1)."""
    match key:
        case rsa.RSAPublicKey():
            is_rsa = algorithm in ALGORITHMS and algorithm[:2] in ("RS", "PS")
            return is_rsa and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
        case ec.EllipticCurvePublicKey():
            return _CURVES.get(algorithm) == key.curve.name
        case _:
            return algorithm == "EdDSA"


def _decoded(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise InvalidJws("it is not base64url") from None
    # RFC 4648 §3.5: bits that nobody reads would make two texts of one token.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text.encode():
        raise InvalidJws("it is not base64url as an encoder writes it")
    return data


def _text(header: dict[str, Any], name: str) -> str:
    value = header.get(name, "")
    if not isinstance(value, str):
        raise InvalidJws(f"its header's {name} is not a text")
    return value
