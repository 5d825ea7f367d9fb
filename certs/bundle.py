"""Trust bundles: the authorities by which the certificates of one trust domain are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs.errors import InvalidCertificate
from certs.names import extensions_of

_MAX_BUNDLE_BYTES: Final = 1024 * 1024
_MAX_AUTHORITIES: Final = 256
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """A set of authorities, each once, in the order given. An empty bundle trusts nothing: that is
    what a trust domain says when it revokes everything (SPIFFE Trust Domain and Bundle §4).
    """

    authorities: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_pem(cls, pem: bytes) -> TrustBundle:
        """Read the certificates of a PEM text; comments between them are skipped, and a text of
        white space is an empty bundle.

        Raises:
            InvalidCertificate: too large, not PEM, or a certificate that is no authority.
        """
        return cls.of(read_anchors(pem)) if pem.strip() else cls()

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> TrustBundle:
        """A bundle of these authorities; a certificate given twice is kept once.

        Raises:
            InvalidCertificate: one is no authority, or they are too many.
        """
        authorities = tuple(dict.fromkeys(certificates))
        if len(authorities) > _MAX_AUTHORITIES:
            raise InvalidCertificate(f"the trust bundle has over {_MAX_AUTHORITIES} authorities")
        for number, authority in enumerate(authorities, 1):
            if not _is_authority(authority):
                raise InvalidCertificate(
                    f"certificate {number} of the trust bundle is not a CA certificate",
                    hint="a bundle holds authorities; was a leaf or a whole chain put there?",
                )
        return cls(authorities)

    def to_pem(self) -> bytes:
        """The authorities alone, PEM; b"" for an empty bundle."""
        return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in self.authorities)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the set: equal for equal authorities in any order."""
        prints = sorted(item.fingerprint(hashes.SHA256()) for item in self.authorities)
        return "sha256:" + hashlib.sha256(b"".join(prints)).hexdigest()

    def __bool__(self) -> bool:
        return bool(self.authorities)

    def __repr__(self) -> str:
        return f"TrustBundle({len(self.authorities)} authorities, {self.digest[:19]}…)"


def read_anchors(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a trust bundle as they stand there: a person may also trust a server's
    own certificate.

    Raises:
        InvalidCertificate: too large, not PEM, or empty.
    """
    if len(pem) > _MAX_BUNDLE_BYTES:
        raise InvalidCertificate("the trust bundle is larger than 1 MiB")
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise InvalidCertificate(
            "the trust bundle is not readable PEM",
            hint="expected one or more '-----BEGIN CERTIFICATE-----' blocks",
        ) from error
    if len(certificates) != pem.count(_BEGIN):
        raise InvalidCertificate("the trust bundle is cut off")
    return certificates


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = extensions_of(certificate).get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        # A version 1 root says nothing of itself; it is trusted because somebody put it here.
        return certificate.version is x509.Version.v1
    return constraints.value.ca
