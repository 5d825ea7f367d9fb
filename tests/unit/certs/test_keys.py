"""Private keys: reading, pins, fitting a certificate."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from certs import keys
from certs.errors import InvalidCertificate
from certs.issuer import ca

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_new_key_is_p256_and_differs_each_time() -> None:
    first, second = keys.generate(), keys.generate()
    assert isinstance(first.curve, ec.SECP256R1)
    assert keys.to_pem(first) != keys.to_pem(second)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p384", "ed25519", "rsa"],
)
def test_pem_is_pkcs8_and_reads_back_as_the_same_key(key: keys.PrivateKey) -> None:
    pem = keys.to_pem(key)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert keys.spki_pin(keys.from_pem(pem).public_key()) == keys.spki_pin(key.public_key())


def test_an_encrypted_key_is_refused_without_its_text() -> None:
    pem = keys.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    with pytest.raises(InvalidCertificate, match="is encrypted"):
        keys.from_pem(pem)


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
    ids=["empty", "text", "torn"],
)
def test_what_is_not_a_key_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidCertificate, match="not a readable PEM key") as caught:
        keys.from_pem(data)
    assert caught.value.__cause__ is None


def test_a_key_of_another_kind_is_refused() -> None:
    pem = dsa.generate_private_key(2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(InvalidCertificate, match="of a kind"):
        keys.from_pem(pem)


def test_a_file_too_large_to_be_a_key_is_not_parsed() -> None:
    with pytest.raises(InvalidCertificate, match="too large"):
        keys.from_pem(b"-" * 40_000)


def test_a_pin_names_the_key_and_not_the_certificate() -> None:
    authority = ca.make(trust_domain="acme.example", now=NOW, random=lambda n: b"\x11" * n)
    root, key = authority.authority.root, authority.root_key
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert keys.spki_pin(root) == "sha256:" + hashlib.sha256(der).hexdigest()
    later = ca.make(
        trust_domain="acme.example", now=NOW + timedelta(days=1), random=lambda n: b"\x12" * n
    )
    assert keys.spki_pin(later.authority.root) != keys.spki_pin(root)


def test_fits_tells_the_right_key_from_another() -> None:
    authority = ca.make(trust_domain="acme.example", now=NOW, random=lambda n: b"\x11" * n)
    assert keys.fits(authority.root_key, authority.authority.root)
    assert not keys.fits(keys.generate(), authority.authority.root)
