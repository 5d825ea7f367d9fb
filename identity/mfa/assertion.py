"""What a security key signs when it is touched, and how that is checked. Pure.

An assertion (WebAuthn level 3, sections 6.1 and 7.2) is kept as evidence, so it is checked here
with nothing but the public key: at the time of the touch, and again whenever the journal is read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from identity.strict_json import strict_value

#: Not `localhost`, which every web application on this machine shares.
RP_ID: Final = "devwiz.localhost"
#: A key is told no port, so that a page on any port can use the same credential.
ORIGIN: Final = f"http://{RP_ID}"

_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_HEAD_BYTES: Final = 37  # hash of the relying party's id, flags, counter
_MAX_BYTES: Final = 4096


class ProofRefused(Exception):
    """An assertion doesn't prove what it is kept for; the text says why, lower case."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a key gave back: the client's data that it signed, its own, and the signature."""

    client_data: bytes
    authenticator_data: bytes
    signature: bytes

    def fields(self) -> dict[str, str]:
        """As it stands in a line of the journal."""
        return {
            "client_data": encoded(self.client_data),
            "authenticator_data": encoded(self.authenticator_data),
            "signature": encoded(self.signature),
        }


def proof_of(fields: Mapping[str, Any]) -> Proof:
    """The proof in a line. Raises `ProofRefused`."""
    names = ("client_data", "authenticator_data", "signature")
    return Proof(*(decoded(fields.get(name)) for name in names))


def check_proof(proof: Proof, *, challenge: bytes, public_key: bytes, verified: bool) -> int:
    """See that the key with `public_key` (SubjectPublicKeyInfo, DER) was touched for `challenge`.

    `verified` is the mode that the key is pinned to: with it the person was verified, by PIN or
    finger; without it not, because a key has another secret for each. The result is the key's
    signature counter.

    Raises:
        ProofRefused: it was not, or for something else.
    """
    _check_client_data(proof.client_data, challenge)
    data = proof.authenticator_data
    if len(data) < _HEAD_BYTES:
        raise ProofRefused("the key's data is cut short")
    if not hmac.compare_digest(data[:32], hashlib.sha256(RP_ID.encode()).digest()):
        raise ProofRefused("the touch was for another relying party")
    flags = data[32]
    if not flags & _USER_PRESENT:
        raise ProofRefused("the key was not touched")
    if verified is not bool(flags & _USER_VERIFIED):
        raise ProofRefused(
            "the key didn't verify the person, as it is pinned to"
            if verified
            else "the key verified the person, which it is not pinned to"
        )
    _check_signature(proof, public_key)
    return int.from_bytes(data[33:37], "big")


def is_cloned(before: int, now: int) -> bool:
    """Whether a counter didn't grow: another key signs with the same credential (WebAuthn level 3,
    section 6.1.1). A key that doesn't count says 0 each time.
    """
    return (before != 0 or now != 0) and now <= before


def encoded(data: bytes) -> str:
    """Bytes as text: base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: object) -> bytes:
    """Bytes of such a text, and of no other that stands for the same. Raises `ProofRefused`."""
    if not isinstance(text, str) or len(text) > _MAX_BYTES:
        raise ProofRefused("a part of the proof is missing")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or encoded(data) != text:
        raise ProofRefused("a part of the proof is not base64url")
    return data


def _check_client_data(client_data: bytes, challenge: bytes) -> None:
    try:
        data = strict_value(client_data)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ProofRefused("the client's data is not JSON")
    if data.get("type") != "webauthn.get":
        raise ProofRefused("the signature is not an assertion")
    if data.get("crossOrigin", False) is not False or not _is_own_origin(data.get("origin")):
        raise ProofRefused("the touch was for another origin")
    if not hmac.compare_digest(decoded(data.get("challenge")), challenge):
        raise ProofRefused("the touch was for something else")


def _is_own_origin(origin: object) -> bool:
    if not isinstance(origin, str) or not origin.startswith(ORIGIN):
        return False
    port = origin.removeprefix(ORIGIN)
    return not port or (port[0] == ":" and port[1:].isascii() and port[1:].isdecimal())


def _check_signature(proof: Proof, public_key: bytes) -> None:
    message = proof.authenticator_data + hashlib.sha256(proof.client_data).digest()
    try:
        key = load_der_public_key(public_key)
        if isinstance(key, Ed25519PublicKey):
            key.verify(proof.signature, message)
        elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            key.verify(proof.signature, message, ECDSA(SHA256()))
        else:
            raise ProofRefused("the key's algorithm is not taken")
    except (InvalidSignature, ValueError):
        raise ProofRefused("the signature is not the key's") from None
