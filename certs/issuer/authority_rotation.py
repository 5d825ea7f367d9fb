"""Rotating the issuer's authority: each step is one transaction over the state, taken by whoever
has the folder: `issuer rotate-ca`, or the running issuer when a grace period is over.

The key files of a new authority are on the disk before the row that makes them count; those of one
that is gone are removed after its row. Killed at any point, the next step finds the state before it
or after it, and files that don't count are overwritten or swept.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from certs import keys
from certs.issuer import ca, ca_rotation
from certs.issuer.audit import Action, AuditFile, Event
from certs.issuer.authorities import (
    announce,
    authority_folder,
    keep_pull,
    keep_rotation,
    read_pull,
    read_rotation,
)
from certs.issuer.ca import RandomBytes
from certs.issuer.ca_rotation import InvalidStep, Phase, Rotation
from certs.issuer.refusal import Code, Refused
from certs.issuer.renew_window import Pull
from certs.issuer.store import StateUnusable, Store

MIN_SPREAD: Final = timedelta(seconds=1)
MAX_SPREAD: Final = timedelta(hours=24)
# Of the grace period of a phase: who has not renewed in it is behind, and there is time to see why.
_SPREAD_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityView:
    """One authority in the bundle. `until` is when it leaves, where that is known."""

    number: int
    pin: str
    signs_for_workloads: bool
    signs_for_server: bool
    not_after: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationView:
    """Where the rotation stands, for people.

    Attributes:
        changed: whether the call that gave this view changed anything.
        live_instances: see `Instances.live`.
        renewed_instances: those of them that asked for one since the phase began.
    """

    changed: bool
    rotation: Rotation
    sequence: int
    authorities: tuple[AuthorityView, ...]
    live_instances: int
    renewed_instances: int
    pull: Pull | None

    @property
    def pins(self) -> list[str]:
        """What clients should pin: who signs for the server now, then who does after the next
        phases.
        """
        kept = [item for item in self.authorities if item.until is None]
        return [item.pin for item in sorted(kept, key=lambda item: not item.signs_for_server)]


class AuthorityRotation:
    """The operations of `issuer rotate-ca`, over an open state; not to be closed.

    Every method that changes something may raise `Refused`: the state or the audit file can't be
    written, and nothing has changed.
    """

    def __init__(
        self,
        *,
        store: Store,
        folder: Path,
        audit: AuditFile,
        trust_domain: str,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._store = store
        self._folder = folder
        self._audit = audit
        self._trust_domain = trust_domain
        self._random = random
        self._has_swept = False

    def view(self, now: datetime, *, changed: bool = False) -> RotationView:
        """Where it stands."""
        rotation = read_rotation(self._store)
        live, renewed = self._store.instances.live(now, seen_since=rotation.since)
        return RotationView(
            changed=changed,
            rotation=rotation,
            sequence=int(self._store.settings.value("bundle_sequence") or 1),
            authorities=tuple(
                _authority_view(rotation, number, pem)
                for number, pem in self._store.authorities.roots().items()
            ),
            live_instances=live,
            renewed_instances=renewed,
            pull=read_pull(self._store),
        )

    def enter(self, phase: Phase, now: datetime) -> RotationView:
        """Go to the next phase, or to rollback. Nothing happens where it is in `phase` already, so
        that a step whose outcome is not known can be repeated.

        Raises:
            InvalidStep: no step leads there.
            StateUnusable: the key files can't be written.
        """
        with self._changing():
            before = read_rotation(self._store)
            changed = before.phase is not phase
            if changed:
                self._enter(before, phase, now)
        return self.view(now, changed=changed)

    def automate(self, grace: timedelta, now: datetime) -> RotationView:
        """Begin a rotation, or take the one under way, and let the running issuer enter each next
        phase when `grace` is over.

        Raises:
            InvalidStep: the time is out of range.
            StateUnusable: the key files can't be written.
        """
        with self._changing():
            before = read_rotation(self._store)
            paced = ca_rotation.with_grace(before, grace)
            if before.phase is Phase.STANDBY:
                self._enter(paced, Phase.INIT, now)
            else:
                self._keep(paced, "rotate", now)
        return self.view(now, changed=paced != before)

    def pull_renewals(self, within: timedelta | None, now: datetime) -> RotationView:
        """Ask everybody who has a certificate to renew it soon, spread over `within`.

        Raises:
            InvalidStep: the time is out of range.
        """
        if within is not None and not MIN_SPREAD <= within <= MAX_SPREAD:
            raise InvalidStep(
                f"renewals can't be spread over {within}", hint="use 1 second to 24 hours"
            )
        with self._changing():
            keep_pull(self._store, Pull(at=now, within=within))
            self._keep(read_rotation(self._store), "renew_window", now)
        return self.view(now, changed=True)

    def tick(self, now: datetime) -> None:
        """Do what time asks for: the next phase after a grace period, and the end of authorities
        that nothing needs any more. Cheap where there is nothing to do.
        """
        rotation = read_rotation(self._store)
        is_due = ca_rotation.due(rotation, now) is not None
        has_ended = ca_rotation.without_ended(rotation, now) is not rotation
        if is_due or has_ended:
            with self._changing():
                self._catch_up(now)
        if has_ended or not self._has_swept:
            self._sweep()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            with self._store.transaction():
                yield
        except sqlite3.Error as error:
            raise Refused(
                Code.STATE_UNAVAILABLE,
                "the issuer's state can't be changed now",
                hint="nothing was changed; try again; if it stays, the issuer's disk is full or "
                "failing",
            ) from error

    def _catch_up(self, now: datetime) -> None:
        # Read again inside the transaction: another process may have been here.
        rotation = read_rotation(self._store)
        phase = ca_rotation.due(rotation, now)
        if phase is not None:
            rotation = self._enter(rotation, phase, now)
        kept = ca_rotation.without_ended(rotation, now)
        if kept is not rotation:
            for number in set(rotation.trusted) - set(kept.trusted):
                self._store.authorities.remove(number)
            self._keep(kept, "rotate", now)

    def _enter(self, before: Rotation, phase: Phase, now: datetime) -> Rotation:
        signed_until = self._store.instances.last_end() or now
        after = ca_rotation.enter(before, phase, now=now, signed_until=signed_until)
        if phase is Phase.INIT and after.new is not None:
            self._make_authority(after.new, now)
        if ca_rotation.needs_renewals(phase):
            within = None if before.grace is None else before.grace * _SPREAD_SHARE
            keep_pull(self._store, Pull(at=now, within=within))
        self._store.authorities.activate(after.workload_signer)
        self._keep(after, "rotate", now)
        return after

    def _make_authority(self, number: int, now: datetime) -> None:
        made = ca.make(trust_domain=self._trust_domain, now=now, random=self._random, number=number)
        try:
            ca.save(authority_folder(self._folder, number), made)
        except OSError as error:
            raise StateUnusable(
                f"the keys of the new authority can't be written: {error.strerror}",
                hint="make room in the issuer's folder; nothing has changed, try again then",
            ) from error
        root_pem = ca.to_pem(made.authority.root).decode()
        self._store.authorities.add(number, root_pem, status="trusted")

    def _keep(self, rotation: Rotation, action: Action, now: datetime) -> None:
        keep_rotation(self._store, rotation)
        announce(self._store)
        # Before the commit: a step without a line would be worse than a line of a step that was
        # killed and then repeated.
        self._audit.append(Event(action=action, outcome="allow", phase=rotation.phase), now)

    def _sweep(self) -> None:
        """Remove the files of authorities that are in nobody's bundle any more."""
        # Nobody makes an authority while this transaction lasts.
        with self._changing():
            kept = {str(number) for number in self._store.authorities.roots()}
            for folder in (self._folder / "authorities").iterdir():
                if folder.name.isdigit() and folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)
        self._has_swept = True


def _authority_view(rotation: Rotation, number: int, root_pem: str) -> AuthorityView:
    root = x509.load_pem_x509_certificate(root_pem.encode())
    ends = {item.number: item.until for item in rotation.retired}
    return AuthorityView(
        number=number,
        pin=keys.spki_pin(root),
        signs_for_workloads=number == rotation.workload_signer,
        signs_for_server=number == rotation.server_signer,
        not_after=root.not_valid_after_utc,
        until=ends.get(number),
    )
