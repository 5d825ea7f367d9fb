"""Reading a SPIFFE bundle document (SPIFFE Trust Domain and Bundle §4). Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509

from certs.bundle import TrustBundle
from certs.errors import InvalidCertificate

_KEY_TYPES: Final = ("EC", "OKP", "RSA")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDocument:
    """What it says. `sequence` is None where it counts no versions."""

    bundle: TrustBundle
    sequence: int | None


def read(members: dict[str, Any]) -> BundleDocument:
    """The authorities for X.509 in a document; what is for something else is passed over.

    Raises:
        InvalidCertificate: it is no such document, or an authority in it can't be read.
    """
    entries = members.get("keys")
    sequence = members.get("spiffe_sequence")
    if not isinstance(entries, list):
        raise InvalidCertificate("the bundle document has no array 'keys'")
    if sequence is not None and (isinstance(sequence, bool) or not isinstance(sequence, int)):
        raise InvalidCertificate("the bundle document's 'spiffe_sequence' is no number")
    return BundleDocument(bundle=TrustBundle.of(_authorities(entries)), sequence=sequence)


def _authorities(entries: list[Any]) -> Iterator[x509.Certificate]:
    for entry in entries:
        # What is of an unknown use or type, or has no certificate, is ignored, as the standards
        # want it (§4.2; X509-SVID §6.2).
        if not isinstance(entry, dict) or entry.get("use") != "x509-svid":
            continue
        certificates = entry.get("x5c")
        if entry.get("kty") in _KEY_TYPES and isinstance(certificates, list) and certificates:
            yield _certificate(certificates[0])


def _certificate(text: object) -> x509.Certificate:
    try:
        der = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        return x509.load_der_x509_certificate(der)
    except (binascii.Error, ValueError, x509.InvalidVersion) as error:
        raise InvalidCertificate(
            "an authority of the bundle document has an unreadable certificate"
        ) from error
