"""Leaf certificates with their chains: read, and held against the rules of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.errors import InvalidCertificate
from certs.names import dns_names, extensions_of, uri_names
from identity.errors import InvalidSpiffeId
from identity.spiffe import SpiffeId

#: The largest chain that is looked at; an honest one has two or three certificates and 3 KiB.
MAX_CHAIN_LENGTH: Final = 10
MAX_CHAIN_BYTES: Final = 64 * 1024

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A leaf and the intermediates that come with it, leaf first."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_pem(cls, pem: bytes) -> Chain:
        """Read a PEM text; what is not a certificate (a key, comments) is skipped.

        Raises:
            InvalidCertificate: too large, not PEM, cut off, or without a certificate.
        """
        if len(pem) > MAX_CHAIN_BYTES:
            raise InvalidCertificate(f"the chain is larger than {MAX_CHAIN_BYTES // 1024} KiB")
        count = pem.count(_BEGIN)
        if count > MAX_CHAIN_LENGTH:
            raise InvalidCertificate(f"the chain has over {MAX_CHAIN_LENGTH} certificates")
        try:
            leaf, *rest = x509.load_pem_x509_certificates(pem)
        except (ValueError, x509.InvalidVersion) as error:
            raise InvalidCertificate(
                "the chain is not readable PEM",
                hint="expected '-----BEGIN CERTIFICATE-----' blocks, the leaf first",
            ) from error
        if len(rest) + 1 != count:
            raise InvalidCertificate("the chain is cut off")
        return cls(leaf=leaf, intermediates=tuple(rest))

    def to_pem(self) -> bytes:
        """The certificates alone, leaf first, PEM."""
        return b"".join(
            item.public_bytes(serialization.Encoding.PEM)
            for item in (self.leaf, *self.intermediates)
        )


def issuers_of(chain_pem: bytes) -> tuple[str, ...]:
    """The names (RFC 4514) of those who issued the leaf and each certificate above it, for people;
    none where they can't be read.
    """
    try:
        chain = Chain.from_pem(chain_pem)
        return tuple(item.issuer.rfc4514_string() for item in (chain.leaf, *chain.intermediates))
    except (InvalidCertificate, ValueError):
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafFacts:
    """What a checked leaf says of itself. `spiffe_id` is None where the rules allow none."""

    spiffe_id: SpiffeId | None
    dns_names: tuple[str, ...]
    serial: str
    issuer: str
    not_before: datetime
    not_after: datetime


def x509_svid(leaf: x509.Certificate) -> LeafFacts:
    """Hold a leaf against the X509-SVID standard: exactly one URI name, which is a SPIFFE id with a
    path (§2, §3.1), not a CA (§4.1), key usage critical and for signatures only (§4.3), extended
    key usage, where present, for both sides of TLS (§4.4).

    Raises:
        InvalidCertificate: which rule it breaks.
    """
    extensions = extensions_of(leaf)
    uris = uri_names(extensions)
    if len(uris) != 1:
        raise InvalidCertificate(
            f"the leaf has {len(uris) or 'no'} URI names, an X509-SVID has exactly one"
        )
    _check_not_authority(extensions)
    _check_key_usage(extensions, required=True)
    _check_extended_usage(
        extensions, (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    )
    return _facts(leaf, extensions, _spiffe_id(uris[0]))


def client_certificate(leaf: x509.Certificate) -> LeafFacts:
    """Hold a leaf against what TLS asks of any client certificate: not a CA, and usages, where
    present, that allow signatures and clients. A SPIFFE id is welcome and not needed.

    Raises:
        InvalidCertificate: which rule it breaks.
    """
    extensions = extensions_of(leaf)
    uris = uri_names(extensions)
    spiffe_ids = [uri for uri in uris if uri.lower().startswith("spiffe:")]
    if spiffe_ids and len(uris) > 1:
        raise InvalidCertificate(
            f"the leaf has {len(uris)} URI names, one with a SPIFFE id has exactly one",
            hint="every validator must refuse it (X509-SVID §2)",
        )
    _check_not_authority(extensions)
    _check_key_usage(extensions, required=False)
    _check_extended_usage(extensions, (ExtendedKeyUsageOID.CLIENT_AUTH,))
    return _facts(leaf, extensions, _spiffe_id(spiffe_ids[0]) if spiffe_ids else None)


def _spiffe_id(uri: str) -> SpiffeId:
    try:
        return SpiffeId.parse_leaf(uri)
    except InvalidSpiffeId as error:
        raise InvalidCertificate(f"the leaf's URI name is refused: {error}", hint=error.hint) from (
            error
        )


def _check_not_authority(extensions: x509.Extensions) -> None:
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return  # RFC 5280 §4.2.1.9: cA is false by default.
    if constraints.ca:
        raise InvalidCertificate("the leaf is a CA certificate")


def _check_key_usage(extensions: x509.Extensions, *, required: bool) -> None:
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        if required:
            raise InvalidCertificate("the leaf has no key usage") from None
        return
    if required and not usage.critical:
        raise InvalidCertificate("the leaf's key usage is not critical")
    if not usage.value.digital_signature:
        raise InvalidCertificate("the leaf's key usage doesn't allow signatures")
    if usage.value.key_cert_sign or usage.value.crl_sign:
        raise InvalidCertificate("the leaf's key usage allows signing certificates or CRLs")


def _check_extended_usage(
    extensions: x509.Extensions, needed: tuple[x509.ObjectIdentifier, ...]
) -> None:
    try:
        usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return
    if not usages.issuperset(needed):
        raise InvalidCertificate(
            "the leaf's extended key usage doesn't allow TLS "
            + ("clients and servers" if len(needed) > 1 else "clients")
        )


def _facts(
    leaf: x509.Certificate, extensions: x509.Extensions, spiffe_id: SpiffeId | None
) -> LeafFacts:
    try:
        issuer = leaf.issuer.rfc4514_string()
    except ValueError as error:
        raise InvalidCertificate("the name of the leaf's issuer is not readable") from error
    return LeafFacts(
        spiffe_id=spiffe_id,
        dns_names=dns_names(extensions),
        serial=f"{leaf.serial_number:x}",
        issuer=issuer,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )
