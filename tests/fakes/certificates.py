"""Certificates for tests, honest ones by default; each thing about them can be spoilt."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import keys
from tests.fakes.clock import START

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

#: The bits of key usage, in the order of `x509.KeyUsage`.
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(address))


AGENT = "spiffe://acme.example/agent/laptop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What a leaf says of itself; None leaves an extension out."""

    names: Sequence[x509.GeneralName] | None = (uri(AGENT),)
    is_ca: bool | None = False
    usages: Sequence[str] | None = ("digital_signature",)
    usage_is_critical: bool = True
    purposes: Sequence[x509.ObjectIdentifier] | None = (CLIENT, SERVER)
    not_before: datetime = field(default=START - timedelta(seconds=60))
    not_after: datetime = field(default=START + timedelta(hours=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A certificate with its key, and those above it up to the root, nearest first."""

    certificate: x509.Certificate
    key: keys.PrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return to_pem(self.certificate)

    def chain_of(self, leaf: x509.Certificate) -> bytes:
        """The leaf and what leads from it to the root, the root left out."""
        return to_pem(leaf, *([self.certificate, *self.above][:-1]))

    def leaf(self, key: keys.PrivateKey, like: Leaf | None = None) -> x509.Certificate:
        """Sign a leaf for `key`."""
        like = like or Leaf()
        builder = _builder(
            key, "leaf", issuer=self.certificate, start=like.not_before, end=like.not_after
        )
        if like.is_ca is not None:
            constraints = x509.BasicConstraints(ca=like.is_ca, path_length=None)
            builder = builder.add_extension(constraints, critical=True)
        if like.usages is not None:
            builder = builder.add_extension(_usage(like.usages), critical=like.usage_is_critical)
        if like.purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(like.purposes), critical=False)
        if like.names is not None:
            san = x509.SubjectAlternativeName(like.names)
            builder = builder.add_extension(san, critical=False)
        return _sign(builder, self.key)

    def authority(
        self,
        name: str,
        *,
        start: datetime = START - timedelta(days=30),
        end: datetime = START + timedelta(days=30),
        path_length: int | None = 0,
    ) -> Signer:
        """Sign an authority below this one."""
        key = keys.generate()
        builder = _builder(key, name, issuer=self.certificate, start=start, end=end)
        certificate = _sign(_as_authority(builder, path_length, None), self.key)
        return Signer(certificate=certificate, key=key, above=(self.certificate, *self.above))


def root(
    name: str = "acme root",
    *,
    key: keys.PrivateKey | None = None,
    constraints: x509.NameConstraints | None = None,
    start: datetime = START - timedelta(days=30),
) -> Signer:
    """A self-signed authority; it lives for a year."""
    key = key or keys.generate()
    builder = _builder(key, name, issuer=None, start=start, end=start + timedelta(days=365))
    return Signer(certificate=_sign(_as_authority(builder, None, constraints), key), key=key)


def to_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in certificates)


def of_version(pem: bytes, number: int) -> bytes:
    """The same certificate with another version in it: X.509 knows 0 to 2 (RFC 5280 §4.1.2.1)."""
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    spoilt = der.replace(b"\xa0\x03\x02\x01\x02", bytes((0xA0, 3, 2, 1, number)), 1)
    text = base64.encodebytes(spoilt)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def _builder(
    key: keys.PrivateKey,
    name: str,
    *,
    issuer: x509.Certificate | None,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateBuilder(
        issuer_name=issuer.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=end,
    )


def _as_authority(
    builder: x509.CertificateBuilder,
    path_length: int | None,
    constraints: x509.NameConstraints | None,
) -> x509.CertificateBuilder:
    builder = builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(("key_cert_sign", "crl_sign")), critical=True)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return builder


def _usage(allowed: Sequence[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in allowed for name in _USAGES})


def _sign(builder: x509.CertificateBuilder, key: keys.PrivateKey) -> x509.Certificate:
    return builder.sign(
        key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )


def key_of(kind: str) -> keys.PrivateKey:
    """A new key: "p256", "p384", "ed25519" or "rsa"."""
    match kind:
        case "p256":
            return keys.generate()
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)
