"""Signing requests: proof of possession, key policy, size."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs import csr, keys
from certs.errors import InvalidCertificate

ID = "spiffe://acme.example/agent/planner"


def test_a_request_carries_its_names_and_proves_its_key() -> None:
    key = keys.generate()
    request = csr.parse(csr.build(key, spiffe_id=ID, dns_names=["planner.acme.example"]))
    assert keys.spki_pin(request.public_key) == keys.spki_pin(key.public_key())
    assert request.spiffe_ids == (ID,)
    assert request.dns_names == ("planner.acme.example",)
    assert not request.foreign_names


def test_a_request_without_names_is_good() -> None:
    request = csr.parse(csr.build(keys.generate()))
    assert (request.spiffe_ids, request.dns_names) == ((), ())


def test_names_of_other_kinds_are_reported() -> None:
    san = x509.SubjectAlternativeName([x509.RFC822Name("root@acme.example")])
    pem = _signed(x509.CertificateSigningRequestBuilder().add_extension(san, critical=True))
    assert csr.parse(pem).foreign_names


def test_a_request_signed_by_another_key_is_refused() -> None:
    """Take somebody's request and put another public key of the same size into it."""
    own, other = keys.generate(), keys.generate()
    der = _der(csr.build(own, spiffe_id=ID))
    forged = der.replace(keys.public_der(own.public_key()), keys.public_der(other.public_key()))
    assert forged != der
    with pytest.raises(InvalidCertificate, match="not signed by its own key"):
        csr.parse(_pem(forged))


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p256", "p384", "ed25519", "rsa2048"],
)
def test_allowed_kinds_of_key(key: keys.PrivateKey) -> None:
    assert keys.spki_pin(csr.parse(csr.build(key)).public_key) == keys.spki_pin(key.public_key())


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - too short on purpose
    ],
    ids=["p521", "secp256k1", "rsa1024"],
)
def test_other_kinds_of_key_are_refused(key: keys.PrivateKey) -> None:
    with pytest.raises(InvalidCertificate, match="not of an allowed kind"):
        csr.parse(csr.build(key))


@pytest.mark.parametrize("pem", [b"", b"no request", b"\xff\xfe"], ids=["empty", "text", "bytes"])
def test_what_is_not_a_request_is_refused(pem: bytes) -> None:
    with pytest.raises(InvalidCertificate, match="not readable"):
        csr.parse(pem)


def test_a_kind_of_name_that_nobody_uses_is_refused() -> None:
    """An x400Address in the place of a URI."""
    der = _der(csr.build(keys.generate(), spiffe_id="x" * 25))
    odd = der.replace(b"\x86\x19" + b"x" * 25, b"\xa3\x19\x04\x17" + b"a" * 23)
    assert odd != der
    with pytest.raises(InvalidCertificate, match="not readable"):
        csr.parse(_pem(odd))


def test_an_unknown_version_is_refused() -> None:
    der = _der(csr.build(keys.generate()))
    odd = der.replace(b"\x02\x01\x00\x30\x00", b"\x02\x01\x05\x30\x00")
    assert odd != der
    armoured = base64.encodebytes(odd).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{armoured}-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(InvalidCertificate, match="not readable"):
        csr.parse(pem.encode())


def test_an_oversized_request_is_not_parsed() -> None:
    names = [f"host-{number}.acme.example" for number in range(500)]
    with pytest.raises(InvalidCertificate, match="larger than"):
        csr.parse(csr.build(keys.generate(), dns_names=names))


def _signed(builder: x509.CertificateSigningRequestBuilder) -> bytes:
    request = builder.subject_name(x509.Name([])).sign(keys.generate(), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER)


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM)
