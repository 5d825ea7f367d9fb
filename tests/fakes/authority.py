"""A certificate authority for tests: any names, any validity, nothing on disk."""

from __future__ import annotations

import ipaddress
import itertools
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.keys import PrivateKey
from tests.fakes.certificates import key_of

BOTH_SIDES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_YEAR = timedelta(days=365)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A certificate with its key."""

    key_pem: str
    chain_pem: str
    serial: int
    not_after: float


class Authority:
    """Signs leaves for both sides of a connection."""

    def __init__(self, name: str = "") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = name or f"test authority {next(_numbers)}"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = _builder(self._name, self._name, self._key, now - _YEAR, now + _YEAR)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signer=True), True)
        self.pem = _pem(builder.sign(self._key, hashes.SHA256()))

    def issue(
        self,
        *names: str,
        starts: timedelta = timedelta(minutes=-1),
        ends: timedelta = timedelta(hours=1),
        kind: str = "p256",
        sides: Sequence[x509.ObjectIdentifier] = BOTH_SIDES,
    ) -> Leaf:
        """A leaf for URIs, addresses and DNS names, valid between two points seen from now, for a
        key of that kind, and for these sides of TLS.
        """
        key = key_of(kind)
        now = datetime.now(UTC)
        builder = _builder(x509.Name([]), self._name, key, now + starts, now + ends)
        for extension, critical in (
            (x509.SubjectAlternativeName([_general_name(name) for name in names]), True),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signer=False), True),
            (x509.ExtendedKeyUsage(sides), False),
        ):
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return Leaf(
            key_pem=key_pem,
            chain_pem=_pem(certificate),
            serial=certificate.serial_number,
            not_after=certificate.not_valid_after_utc.timestamp(),
        )

    def crl(
        self,
        *serials: int,
        starts: timedelta = timedelta(minutes=-1),
        ends: timedelta = timedelta(hours=1),
    ) -> str:
        """A revocation list of these certificates, PEM, in force between two points from now."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self._name, last_update=now + starts, next_update=now + ends
        )
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder(serial, now + starts)
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Trusted(Protocol):
    """Whoever signs: `pem` is its root."""

    pem: str


def server_context(
    leaf: Leaf, trusted: Trusted, *, alpn: tuple[str, ...] = ("http/1.1",)
) -> ssl.SSLContext:
    """TLS 1.3 only, with a client certificate of `trusted` required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trusted.pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    _load(context, leaf)
    return context


def client_context(
    leaf: Leaf | None, trusted: Trusted, *, alpn: tuple[str, ...] = ("http/1.1",)
) -> ssl.SSLContext:
    """TLS 1.3 only, with the leaf shown if any; the server's chain is checked and not its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(cadata=trusted.pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if leaf is not None:
        _load(context, leaf)
    return context


def _load(context: ssl.SSLContext, leaf: Leaf) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(leaf.key_pem + leaf.chain_pem)
        file.flush()
        context.load_cert_chain(Path(file.name))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    starts: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )


def _usage(*, signer: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signer,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signer,
        crl_sign=signer,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
