"""Certificate profiles: each extension as parsed back, and whether it is critical."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import keys, profiles
from certs.profiles import LeafNames, Terms
from certs.svid import x509_svid

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOMAIN = "acme.example"
NAMES = LeafNames(spiffe_id=f"spiffe://{DOMAIN}/agent/planner", dns_names=("planner.acme.example",))
KEY_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

ROOT_KEY, ISSUING_KEY, LEAF_KEY = keys.generate(), keys.generate(), keys.generate()


def terms(life: timedelta = timedelta(hours=1), serial: int = 7) -> Terms:
    return Terms(serial=serial, now=NOW, life=life)


ROOT = profiles.root_ca(
    ROOT_KEY.public_key(), trust_domain=DOMAIN, terms=terms(timedelta(days=100))
).sign(ROOT_KEY, hashes.SHA256())
ISSUING = profiles.issuing_ca(
    ISSUING_KEY.public_key(), trust_domain=DOMAIN, root=ROOT, terms=terms(timedelta(days=50))
).sign(ROOT_KEY, hashes.SHA256())


def leaf(life: timedelta = timedelta(hours=1)) -> x509.Certificate:
    return profiles.workload_leaf(
        LEAF_KEY.public_key(), names=NAMES, issuer=ISSUING, terms=terms(life)
    ).sign(ISSUING_KEY, hashes.SHA256())


def server() -> x509.Certificate:
    return profiles.server_leaf(
        LEAF_KEY.public_key(),
        names=LeafNames(spiffe_id=f"spiffe://{DOMAIN}/devwiz-gw/issuer", dns_names=("localhost",)),
        ip_addresses=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
        issuer=ISSUING,
        terms=terms(),
    ).sign(ISSUING_KEY, hashes.SHA256())


def used_bits(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    return {name for name in KEY_USAGE_BITS if getattr(usage.value, name)}


def constraints(certificate: x509.Certificate) -> tuple[bool, int | None]:
    extension = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert extension.critical
    return extension.value.ca, extension.value.path_length


def san(certificate: x509.Certificate) -> list[object]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not extension.critical
    return [name.value for name in extension.value]


@pytest.mark.parametrize(("authority", "path_length"), [(ROOT, 1), (ISSUING, 0)])
def test_an_authority_only_signs_and_names_its_trust_domain(
    authority: x509.Certificate, path_length: int
) -> None:
    assert constraints(authority) == (True, path_length)
    assert used_bits(authority) == {"key_cert_sign", "crl_sign"}
    assert san(authority) == [f"spiffe://{DOMAIN}"]


def test_a_workload_leaf_is_an_svid_with_one_uri() -> None:
    certificate = leaf()
    assert constraints(certificate) == (False, None)
    assert used_bits(certificate) == {"digital_signature"}
    assert san(certificate) == [NAMES.spiffe_id, "planner.acme.example"]
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert not usages.critical
    assert set(usages.value) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert str(x509_svid(certificate).spiffe_id) == NAMES.spiffe_id


def test_the_issuers_leaf_is_a_server_and_no_client() -> None:
    certificate = server()
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usages.value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert san(certificate)[1:] == ["localhost", ipaddress.ip_address("127.0.0.1")]


@pytest.mark.parametrize(
    ("certificate", "signer"), [(ROOT, ROOT), (ISSUING, ROOT), (leaf(), ISSUING)]
)
def test_key_ids_lead_from_each_certificate_to_its_signer(
    certificate: x509.Certificate, signer: x509.Certificate
) -> None:
    reference = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    own = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert not reference.critical
    assert not own.critical
    assert reference.value.key_identifier == own.value.digest
    certificate.verify_directly_issued_by(signer)


def test_a_leaf_starts_a_minute_ago() -> None:
    assert leaf().not_valid_before_utc == NOW - timedelta(seconds=60)
    assert leaf().not_valid_after_utc == NOW + timedelta(hours=1)


def test_a_leaf_never_outlives_or_precedes_its_issuer() -> None:
    certificate = leaf(timedelta(days=1000))
    assert certificate.not_valid_after_utc == ISSUING.not_valid_after_utc
    early = profiles.workload_leaf(
        LEAF_KEY.public_key(),
        names=NAMES,
        issuer=ISSUING,
        terms=Terms(serial=1, now=NOW - timedelta(days=1), life=timedelta(days=2)),
    ).sign(ISSUING_KEY, hashes.SHA256())
    assert early.not_valid_before_utc == ISSUING.not_valid_before_utc


def test_a_serial_number_fits_20_octets_and_is_positive() -> None:
    highest = profiles.serial_from(b"\xff" * 20)
    assert 0 < highest < 1 << 159
    assert profiles.serial_from(bytes(20)) == 1
    with pytest.raises(ValueError, match="20 random bytes"):
        profiles.serial_from(b"short")


def test_a_long_name_is_cut_to_what_a_subject_holds() -> None:
    names = LeafNames(spiffe_id=f"spiffe://{DOMAIN}/{'x' * 100}")
    certificate = profiles.workload_leaf(
        LEAF_KEY.public_key(), names=names, issuer=ISSUING, terms=terms()
    ).sign(ISSUING_KEY, hashes.SHA256())
    assert certificate.subject.rfc4514_string() == f"CN={'x' * 64}"
    assert san(certificate) == [names.spiffe_id]
