"""Certificate profiles, spelled out: what each kind of certificate carries, bit by bit.

Pure: time and serial numbers come in as arguments, and what goes out is a builder for the issuer
to sign. Sources: RFC 5280 §4, and the SPIFFE X509-SVID standard for the URI names and usages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.keys import PublicKey

#: NotBefore lies this far in the past, so that a peer whose clock is slow accepts the certificate.
BACKDATE: Final = timedelta(seconds=60)

_SERIAL_BYTES: Final = 20
_MAX_COMMON_NAME: Final = 64  # ub-common-name, RFC 5280 appendix A


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When a certificate starts, how long it is to live, and its serial number."""

    serial: int
    now: datetime
    life: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafNames:
    """The names that a leaf carries: one SPIFFE id with a path, and DNS names where needed."""

    spiffe_id: str
    dns_names: tuple[str, ...] = ()


def serial_from(random: bytes) -> int:
    """A serial number from 20 random bytes: positive and at most 20 octets (RFC 5280 §4.1.2.2),
    so the top bit is dropped; the lowest bit is set, so it is never zero.
    """
    if len(random) != _SERIAL_BYTES:
        raise ValueError(f"a serial number is made from {_SERIAL_BYTES} random bytes")
    return (int.from_bytes(random, "big") >> 1) | 1


def root_ca(
    public_key: PublicKey, *, trust_domain: str, terms: Terms, number: int = 1
) -> x509.CertificateBuilder:
    """The trust domain's self-signed authority, the `number`-th. Signs issuing CAs only (path
    length 1).
    """
    name = _authority_name(trust_domain, "root", number)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=public_key,
        serial_number=terms.serial,
        not_valid_before=terms.now - BACKDATE,
        not_valid_after=terms.now + terms.life,
    ).add_extension(_key_id_reference(_key_id(public_key)), critical=False)
    return _as_authority(builder, public_key, trust_domain=trust_domain, path_length=1)


def issuing_ca(
    public_key: PublicKey,
    *,
    trust_domain: str,
    root: x509.Certificate,
    terms: Terms,
    number: int = 1,
) -> x509.CertificateBuilder:
    """The authority that signs leaves (path length 0); never outlives the root."""
    subject = _authority_name(trust_domain, "issuing", number)
    builder = _under(root, public_key, subject=subject, terms=terms)
    return _as_authority(builder, public_key, trust_domain=trust_domain, path_length=0)


def workload_leaf(
    public_key: PublicKey, *, names: LeafNames, issuer: x509.Certificate, terms: Terms
) -> x509.CertificateBuilder:
    """An X509-SVID: proves a workload as TLS client and server. Never outlives its issuer."""
    subject = _common_name(names.spiffe_id.rsplit("/", 1)[-1])
    builder = _under(issuer, public_key, subject=subject, terms=terms)
    usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _as_leaf(builder, public_key, names=names, usages=usages)


def server_leaf(
    public_key: PublicKey,
    *,
    names: LeafNames,
    ip_addresses: Sequence[x509.IPAddress],
    issuer: x509.Certificate,
    terms: Terms,
) -> x509.CertificateBuilder:
    """The issuer's own HTTPS certificate: a TLS server only, found by DNS name or address too."""
    builder = _under(issuer, public_key, subject=_common_name("issuer"), terms=terms)
    return _as_leaf(
        builder,
        public_key,
        names=names,
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        ip_addresses=ip_addresses,
    )


def _under(
    issuer: x509.Certificate, public_key: PublicKey, *, subject: x509.Name, terms: Terms
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer.subject,
        subject_name=subject,
        public_key=public_key,
        serial_number=terms.serial,
        not_valid_before=max(terms.now - BACKDATE, issuer.not_valid_before_utc),
        not_valid_after=min(terms.now + terms.life, issuer.not_valid_after_utc),
    ).add_extension(_key_id_reference(_issuer_key_id(issuer)), critical=False)


def _as_authority(
    builder: x509.CertificateBuilder,
    public_key: PublicKey,
    *,
    trust_domain: str,
    path_length: int,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    # X509-SVID §4.1: a signing certificate names its trust domain and has no path.
    san = [x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]
    return (
        builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
        .add_extension(usage, critical=True)
        .add_extension(_key_id(public_key), critical=False)
        .add_extension(x509.SubjectAlternativeName(san), critical=False)
    )


def _as_leaf(
    builder: x509.CertificateBuilder,
    public_key: PublicKey,
    *,
    names: LeafNames,
    usages: Sequence[x509.ObjectIdentifier],
    ip_addresses: Sequence[x509.IPAddress] = (),
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    san: list[x509.GeneralName] = [x509.UniformResourceIdentifier(names.spiffe_id)]
    san.extend(x509.DNSName(name) for name in names.dns_names)
    san.extend(ip_addresses)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_key_id(public_key), critical=False)
        # Not critical: the subject is not empty (RFC 5280 §4.2.1.6).
        .add_extension(x509.SubjectAlternativeName(san), critical=False)
    )


def _key_id(public_key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def _issuer_key_id(issuer: x509.Certificate) -> x509.SubjectKeyIdentifier:
    # Taken from the issuer's certificate, not computed: another CA may derive its id differently.
    return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _key_id_reference(key_id: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _authority_name(trust_domain: str, kind: str, number: int) -> x509.Name:
    # Authorities follow one another, and software that goes by names must not take one for another.
    suffix = f" {kind}" if number == 1 else f" {kind} {number}"
    return _common_name(trust_domain[: _MAX_COMMON_NAME - len(suffix)] + suffix)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_MAX_COMMON_NAME])])
