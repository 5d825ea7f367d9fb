"""Revocation lists (RFC 5280 §5), signed by the authority whose certificates they take back.

A list is made anew when what it would say changes (a lock was set, lifted, or ran out), and a day
ahead of its end: whoever has the issuer's newest one can go by it for longer than any certificate
lives, so an issuer that is down ends no connection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs import keys
from certs.issuer.ca import Authority
from certs.issuer.locks import Reason
from certs.issuer.policy import MAX_LEAF_LIFE
from certs.issuer.store import Store
from certs.issuer.tables.locks import Revocation
from certs.issuer.tables.revocation_lists import SignedList
from certs.profiles import BACKDATE

#: For so long a list is good.
LIFE: Final = 2 * MAX_LEAF_LIFE + timedelta(hours=2)
#: From this age on it is made anew, whatever it says.
REFRESH_AFTER: Final = LIFE / 2

_FLAGS: Final = {
    Reason.HOLD: x509.ReasonFlags.certificate_hold,
    Reason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    Reason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    Reason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlVersion:
    """The lists of all authorities, PEM; `tag`, and `sequence` as a number, are other ones for each
    version.
    """

    pem: bytes
    tag: str

    @property
    def sequence(self) -> int:
        """See the class."""
        return int(self.tag, 16)


class Crl:
    """The issuer's lists, over its state. `authorities` gives all whose certificates may be out."""

    def __init__(self, store: Store, authorities: Callable[[], Sequence[Authority]]) -> None:
        self._store = store
        self._authorities = authorities

    def current(self, now: datetime) -> CrlVersion:
        """The lists as they have to be now, signed anew where need be."""
        parts: list[str] = []
        for authority in self._authorities():
            parts += (authority.root_crl_pem.decode(), self._list(authority, now).pem)
        pem = "".join(parts).encode()
        return CrlVersion(pem=pem, tag=hashlib.sha256(pem).hexdigest()[:32])

    def _list(self, authority: Authority, now: datetime) -> SignedList:
        pin = keys.spki_pin(authority.issuing)
        latest = self._store.revocation_lists.latest(pin)
        if latest is not None and self._is_current(latest, now):
            return latest
        with self._store.transaction():
            # Again: another process may have been faster.
            latest = self._store.revocation_lists.latest(pin)
            if latest is not None and self._is_current(latest, now):
                return latest
            signed = self._signed(authority, latest, now)
            self._store.revocation_lists.keep(signed)
        return signed

    def _is_current(self, latest: SignedList, now: datetime) -> bool:
        # Neither an old one, nor one from a future that the clock was brought back from.
        is_fresh = latest.made <= now < latest.made + REFRESH_AFTER
        return is_fresh and latest.entries == _digest(self._entries(latest.authority, latest, now))

    def _entries(
        self, pin: str, latest: SignedList | None, now: datetime
    ) -> tuple[Revocation, ...]:
        # An entry stays until it was on a list that was made after its certificate's end
        # (RFC 5280 §3.3).
        since = latest.made if latest else now
        return self._store.locks.revocations(pin, ended_after=min(since, now), now=now)

    def _signed(self, authority: Authority, latest: SignedList | None, now: datetime) -> SignedList:
        pin = keys.spki_pin(authority.issuing)
        # Numbers only grow (§5.2.3), also when the issuer's folder comes back from a backup.
        number = max(latest.number + 1 if latest else 1, int(now.timestamp()))
        pem = sign(authority, self._entries(pin, latest, now), number=number, now=now)
        # Of what stays: entries that were named for the last time are not waited for.
        left = self._store.locks.revocations(pin, ended_after=now, now=now)
        return SignedList(
            authority=pin, number=number, made=now, entries=_digest(left), pem=pem.decode()
        )


def sign(
    authority: Authority, entries: Iterable[Revocation], *, number: int, now: datetime
) -> bytes:
    """A list with these entries, PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.issuing.subject)
        # As with leaves: the clock of whoever reads it may be slow.
        .last_update(max(now - BACKDATE, authority.issuing.not_valid_before_utc))
        .next_update(min(now + LIFE, authority.end))
        .add_extension(_key_id_reference(authority.issuing), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(_entry(entry))
    signed = builder.sign(authority.issuing_key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _entry(entry: Revocation) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(entry.serial, 16))
        .revocation_date(entry.revoked)
    )
    # "unspecified" is said by saying nothing (§5.3.1).
    if entry.reason is not Reason.UNSPECIFIED:
        builder = builder.add_extension(x509.CRLReason(_FLAGS[entry.reason]), critical=False)
    return builder.build()


def _key_id_reference(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _digest(entries: Iterable[Revocation]) -> str:
    text = "".join(f"{it.serial} {it.reason} {it.revoked.isoformat()}\n" for it in entries)
    return hashlib.sha256(text.encode()).hexdigest()
