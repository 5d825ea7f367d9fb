"""Values that can't be read without a touch: sealed for a project's lock. Pure.

HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and AES-256-GCM; project and name are bound
in, so that a sealed value put under another name opens no more. It is text: every store keeps it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from identity.errors import InvalidSecretValue
from identity.mfa.assertion import encoded
from identity.mfa.enrolled import KeysDamaged, Lock
from identity.secret_stores.base import SEALED_PREFIX, SecretRef
from identity.secret_stores.vault.keys import FORMAT, fields

#: So that the sealed text is not longer than what every store takes.
MAX_SEALED_BYTES: Final = 48_000
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(value: str, ref: SecretRef, public: bytes) -> str:
    """`value` as text that only the lock with this public key opens again.

    Raises:
        InvalidSecretValue: it is too long.
    """
    data = value.encode()
    if len(data) > MAX_SEALED_BYTES:
        raise InvalidSecretValue(
            f"the value is {len(data)} bytes long, {MAX_SEALED_BYTES} are sealed at most",
            hint="is this the file that was meant?",
        )
    key = X25519PublicKey.from_public_bytes(public)
    return SEALED_PREFIX + encoded(_SUITE.encrypt(data, key, _purpose(ref)))


def unseal(text: str, ref: SecretRef, lock: Lock) -> str:
    """The value. Raises `KeysDamaged` if it was sealed for another lock, or another name."""
    key = X25519PrivateKey.from_private_bytes(lock.private)
    try:
        body = text.removeprefix(SEALED_PREFIX)
        data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return _SUITE.decrypt(data, key, _purpose(ref)).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise KeysDamaged("it was sealed for other keys, or another name") from None


def _purpose(ref: SecretRef) -> bytes:
    return fields(FORMAT, b"sealed", ref.project.encode(), ref.name.encode())
