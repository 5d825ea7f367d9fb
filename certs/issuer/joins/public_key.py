"""Public keys that can be bound to a rule. Pure."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.issuer.joins import statements
from certs.issuer.refusal import Code, Refused

_MAX_PEM: Final = 4_096


def from_pem(pem: str) -> keys.PublicKey:
    """Read a key: EC P-256 or P-384, Ed25519, or RSA of 2048 bits or more.

    Raises:
        Refused: `malformed_request`.
    """
    try:
        if len(pem) > _MAX_PEM:
            raise ValueError("too large")  # noqa: TRY301 - one answer for whatever is wrong
        key = serialization.load_pem_public_key(pem.encode())
    except Exception:  # noqa: BLE001 - the parser raises several undocumented kinds
        raise Refused(
            Code.MALFORMED_REQUEST,
            "the public key can't be read",
            hint="expected '-----BEGIN PUBLIC KEY-----'",
        ) from None
    if not isinstance(key, keys.PublicKey) or not statements.fits_a_proof(key):
        raise Refused(
            Code.MALFORMED_REQUEST,
            "the public key is of a kind that can't be bound",
            hint="use EC P-256 or P-384, Ed25519, or RSA of 2048 bits or more",
        )
    return key


def to_pem(key: keys.PublicKey) -> str:
    """The key as it is kept."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
