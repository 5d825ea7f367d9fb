"""The SPIFFE bundle document."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import InvalidCertificate
from certs.issuer import bundle_document, ca
from certs.issuer.service import IssuerService
from tests.fakes.certificates import of_version, root


def test_each_authority_is_a_key_with_its_certificate(service: IssuerService) -> None:
    bundle = service.bundle()
    document = bundle_document.document(bundle.pem, sequence=7)
    (key,) = document.pop("keys")
    assert document == {"spiffe_sequence": 7, "spiffe_refresh_hint": 300}
    assert (key["kty"], key["use"], key["crv"]) == ("EC", "x509-svid", "P-256")
    assert "kid" not in key
    (der,) = (base64.b64decode(item, validate=True) for item in key["x5c"])
    root = x509.load_der_x509_certificate(der)
    assert root == service.authority.root
    public = root.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    x, y = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "=")) for name in ("x", "y"))
    assert (x, y) == (public.public_numbers().x, public.public_numbers().y)


def test_an_authority_of_another_kind_is_refused(service: IssuerService) -> None:
    import datetime

    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([])
    odd = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now,
    ).sign(key, None)
    with pytest.raises(InvalidCertificate, match="no form"):
        bundle_document.document(ca.to_pem(odd), sequence=1)


@pytest.mark.parametrize("bundle", [b"", b"nonsense", of_version(root().pem, 5)])
def test_what_can_not_be_read_is_told_as_such(bundle: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        bundle_document.document(bundle, sequence=1)
