"""Private keys: made here, kept in memory, compared with the certificates that carry them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.errors import InvalidCertificate

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_MAX_KEY_BYTES: Final = 32_768


def generate() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key. Takes well under a millisecond, so it may run on the event loop."""
    return ec.generate_private_key(ec.SECP256R1())


def to_pem(key: PrivateKey) -> bytes:
    """PKCS#8 PEM, unencrypted: for handing to a TLS library in memory, not for a disk."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_pem(data: bytes) -> PrivateKey:
    """Read an unencrypted private key: EC, Ed25519 or RSA.

    Raises:
        InvalidCertificate: not a PEM key, encrypted, or of a kind that is not used for TLS here.
    """
    if len(data) > _MAX_KEY_BYTES:
        raise InvalidCertificate("the private key file is too large to be a key")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        # The library's text is not passed on: nothing of a key file may reach a message.
        raise InvalidCertificate(
            "the private key is encrypted", hint="decrypt it: a passphrase can't be asked for here"
        ) from None
    except Exception:  # noqa: BLE001 - the parser raises several undocumented kinds
        raise InvalidCertificate(
            "the private key is not a readable PEM key",
            hint="expected '-----BEGIN PRIVATE KEY-----' (PKCS#8), EC, Ed25519 or RSA",
        ) from None
    if not isinstance(key, PrivateKey):
        raise InvalidCertificate(
            "the private key is of a kind that TLS certificates here don't use",
            hint="use EC P-256 or P-384, Ed25519 or RSA",
        )
    return key


def public_der(holder: x509.Certificate | PublicKey) -> bytes:
    """The SubjectPublicKeyInfo, DER, of a certificate or a public key."""
    key = holder.public_key() if isinstance(holder, x509.Certificate) else holder
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def spki_pin(holder: x509.Certificate | PublicKey) -> str:
    """`sha256:<hex>` of the SubjectPublicKeyInfo: names a key, whatever certificate has it."""
    return "sha256:" + hashlib.sha256(public_der(holder)).hexdigest()


def fits(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Whether the certificate is for this key."""
    return hmac.compare_digest(public_der(key.public_key()), public_der(certificate))
