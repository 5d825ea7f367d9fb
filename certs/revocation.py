"""Revocation lists (RFC 5280 section 5): which certificates an authority takes back. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cryptography import x509

from certs.errors import InvalidCertificate

RevocationLists = tuple[x509.CertificateRevocationList, ...]

_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_BEGIN: Final = b"-----BEGIN X509 CRL-----"


def read_lists(pem: bytes) -> RevocationLists:
    """The lists of a PEM text; what stands between them is skipped.

    Raises:
        InvalidCertificate: there is none, or one that can't be read.
    """
    parts = _LIST.findall(pem)
    if len(parts) != pem.count(_BEGIN):
        raise InvalidCertificate("the revocation list is cut off")
    if not parts:
        is_der = pem.startswith(b"\x30")  # a sequence, as every list is
        hint = "openssl crl -inform der -in FILE -out FILE.pem" if is_der else ""
        raise InvalidCertificate(
            "there is no revocation list in PEM",
            hint=hint or "expected one or more '-----BEGIN X509 CRL-----' blocks",
        )
    try:
        return tuple(x509.load_pem_x509_crl(part + b"\n") for part in parts)
    except ValueError as error:
        raise InvalidCertificate("a revocation list is not readable") from error


def ends_at(lists: Iterable[x509.CertificateRevocationList]) -> datetime | None:
    """When the first authority is left without a list in force; None if none ever is."""
    ends = [_last_end(group) for group in _by_issuer(lists).values()]
    return min((end for end in ends if end is not None), default=None)


def gap(lists: Iterable[x509.CertificateRevocationList], now: datetime) -> str:
    """For which authority no list is in force, in words; "" when each has one. What it issued is
    not accepted until it has one.
    """
    for issuer, group in _by_issuer(lists).items():
        begun = [item for item in group if item.last_update_utc <= now]
        end = _last_end(begun)
        name = issuer.rfc4514_string()
        if not begun:
            begins = min(item.last_update_utc for item in group)
            return f"the revocation list of {name} is not valid before {begins.isoformat()}"
        if end is not None and end <= now:
            return f"the revocation list of {name} has expired at {end.isoformat()}"
    return ""


def _by_issuer(
    lists: Iterable[x509.CertificateRevocationList],
) -> dict[x509.Name, list[x509.CertificateRevocationList]]:
    groups: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
    for item in lists:
        groups.setdefault(item.issuer, []).append(item)
    return groups


def _last_end(lists: Iterable[x509.CertificateRevocationList]) -> datetime | None:
    """The end of the last of them; None when there is one without an end, or none at all."""
    ends = [item.next_update_utc for item in lists]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
