"""The issuer's authorities as its state has them: which of them signs what, and which are trusted.

A set is read again where something is signed, inside of the transaction that records it. So a
change that another process makes (`issuer rotate-ca`) holds for the next certificate, and a
certificate is never signed by an authority that had stopped before.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from certs.errors import InvalidCertificate
from certs.issuer import ca
from certs.issuer.ca import Authority
from certs.issuer.ca_rotation import Phase, Retired, Rotation
from certs.issuer.renew_window import Pull
from certs.issuer.store import StateUnusable, Store

_log: Final = logging.getLogger(__name__)

_ROTATION: Final = "ca_rotation"
_PULL: Final = "renewals_pulled"
_SEQUENCE: Final = "bundle_sequence"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AuthoritySet:
    """What holds at one moment.

    Attributes:
        sequence: grows with each change of anything here.
        workloads: signs for workloads.
        server: signs for the issuer's own server; clients pin it.
        trusted: all whose certificates may be in use, the oldest first.
        roots_pem: the bundle.
        pull: the wish for early renewals that holds.
    """

    sequence: int
    workloads: Authority
    server: Authority
    trusted: tuple[Authority, ...]
    roots_pem: bytes
    pull: Pull | None

    def __repr__(self) -> str:
        return f"AuthoritySet({self.sequence}, {self.workloads}, {self.server})"


class CurrentAuthorities:
    """The present set, over the state and the key files below `folder`.

    `read` belongs to the thread of the store; `latest` may be read by any.

    Attributes:
        latest: the set that was read last.

    Raises:
        StateUnusable, InvalidCertificate: nothing can be signed with what is there.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._loaded: dict[int, Authority] = {}
        self.latest = self._read(_sequence(store))
        self.read()

    def read(self) -> AuthoritySet:
        """The set as the state has it now."""
        sequence = _sequence(self._store)
        while sequence != self.latest.sequence:
            found, read = self._read(sequence), sequence
            sequence = _sequence(self._store)
            # Outside of a transaction another process may write between two reads: then once more.
            if sequence == read:
                self.latest = found
        return self.latest

    def _read(self, sequence: int) -> AuthoritySet:
        rotation = read_rotation(self._store)
        roots = self._store.authorities.roots()
        signers = {rotation.workload_signer, rotation.server_signer}
        self._loaded = {
            number: authority
            for number in rotation.trusted
            if (authority := self._load(number, is_needed=number in signers)) is not None
        }
        return AuthoritySet(
            sequence=sequence,
            workloads=self._loaded[rotation.workload_signer],
            server=self._loaded[rotation.server_signer],
            trusted=tuple(self._loaded.values()),
            roots_pem="".join(roots.values()).encode(),
            pull=read_pull(self._store),
        )

    def _load(self, number: int, *, is_needed: bool) -> Authority | None:
        try:
            return self._loaded.get(number) or ca.load(authority_folder(self._folder, number))
        except InvalidCertificate:
            # One that signs no certificates any more may be swept away meanwhile: what is lost is
            # its revocation list.
            if is_needed:
                raise
            _log.warning("authority %d signs no revocation list: it can't be loaded", number)
            return None


def authority_folder(folder: Path, number: int) -> Path:
    """Where the files of an authority are."""
    return folder / "authorities" / str(number)


def read_rotation(store: Store) -> Rotation:
    """The state of the rotation.

    Raises:
        StateUnusable: the issuer has no authority yet.
    """
    text = store.settings.value(_ROTATION)
    if text is not None:
        return _rotation(json.loads(text))
    number = store.authorities.active()
    if number is None:
        raise StateUnusable(
            "the issuer's folder has not been initialized", hint="run 'devwiz-gw issuer init'"
        )
    return Rotation(since=_EPOCH, old=number, last_number=number)


def keep_rotation(store: Store, rotation: Rotation) -> None:
    """Record the state of the rotation; call `announce` in the same transaction."""
    document = {
        "phase": rotation.phase,
        "since": rotation.since.isoformat(),
        "old": rotation.old,
        "new": rotation.new,
        "last_number": rotation.last_number,
        "retired": [[item.number, item.until.isoformat()] for item in rotation.retired],
        "signed_until": rotation.signed_until and rotation.signed_until.isoformat(),
        "grace_s": rotation.grace and rotation.grace.total_seconds(),
    }
    store.settings.keep(_ROTATION, json.dumps(document))


def read_pull(store: Store) -> Pull | None:
    """The wish for early renewals that holds."""
    text = store.settings.value(_PULL)
    if text is None:
        return None
    document = json.loads(text)
    return Pull(at=_time(document["at"]), within=_span(document["within_s"]))


def keep_pull(store: Store, pull: Pull) -> None:
    """Record a wish for early renewals; call `announce` in the same transaction."""
    document = {
        "at": pull.at.isoformat(),
        "within_s": pull.within and pull.within.total_seconds(),
    }
    store.settings.keep(_PULL, json.dumps(document))


def announce(store: Store) -> None:
    """Let everybody who follows the sequence hear of the change that this transaction makes."""
    store.settings.keep(_SEQUENCE, str(_sequence(store) + 1))


def _sequence(store: Store) -> int:
    return int(store.settings.value(_SEQUENCE) or 1)


def _rotation(document: dict[str, Any]) -> Rotation:
    signed_until = document["signed_until"]
    return Rotation(
        phase=Phase(document["phase"]),
        since=_time(document["since"]),
        old=document["old"],
        new=document["new"],
        last_number=document["last_number"],
        retired=tuple(
            Retired(number=number, until=_time(until)) for number, until in document["retired"]
        ),
        signed_until=_time(signed_until) if signed_until else None,
        grace=_span(document["grace_s"]),
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
