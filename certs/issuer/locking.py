"""What an operator does about workloads: lock, unlock, look at the instances.

Works on the state of an issuer that runs or doesn't; the running one goes by it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.errors import CertsError
from certs.issuer.audit import AuditFile, Event, audited
from certs.issuer.locks import MAX_MESSAGE, Lock, LockKind, Reason, Target
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance, InstanceRow

_MAX_TTL: Final = timedelta(days=3650)
#: An instance may be named by the beginning of its id, as long as nobody else's begins so.
_MIN_PREFIX: Final = 6


class LockRefused(CertsError):
    """A lock can't be set or lifted as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOrder:
    """What an operator wants: `ttl` None is until it is lifted, `revoke` None leaves certificates
    that are out alone until they end.
    """

    target: Target
    message: str = ""
    ttl: timedelta | None = None
    revoke: Reason | None = Reason.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock that was set, and how many certificates were taken back with it."""

    lock: Lock
    revoked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """An instance, and the lock that keeps it out."""

    row: InstanceRow
    lock: Lock | None


class Locking:
    """The operations, over one state and its audit file."""

    def __init__(self, store: Store, audit: AuditFile) -> None:
        self._store = store
        self._audit = audit

    def lock(self, order: LockOrder, now: datetime) -> Locked:
        """Set a lock, or replace the one on the same target.

        Raises:
            LockRefused: there is no such target, or a value is out of range.
            Refused: the state or the audit file can't be written.
        """
        message = checked_message(order.message)
        if order.ttl is not None and not timedelta(0) < order.ttl <= _MAX_TTL:
            raise LockRefused(
                f"a lock's time of {order.ttl} is out of range", hint="use up to 3650d, or none"
            )
        event = Event(action="lock")
        with audited(self._audit, event, now), self._store.transaction():
            target = self._known(order.target)
            event.target, event.revoke = str(target), order.revoke or ""
            lock = Lock(
                target=target,
                message=message,
                locked=now,
                until=None if order.ttl is None else now + order.ttl,
                revoke=order.revoke,
            )
            revoked = put(self._store, lock)
        return Locked(lock=lock, revoked=revoked)

    def unlock(self, target: Target, now: datetime) -> Target:
        """Lift a lock, and with it what it held back; gives the target in full.

        Raises:
            LockRefused: nothing of that name is locked.
            Refused: the state or the audit file can't be written.
        """
        event = Event(action="unlock", target=str(target))
        with audited(self._audit, event, now), self._store.transaction():
            target = self._locked(target, now)
            event.target = str(target)
            self._store.locks.lift(target)
        return target

    def locks(self, now: datetime) -> tuple[Lock, ...]:
        """All locks in force."""
        return self._store.locks.in_force(now)

    def instances(self, now: datetime) -> tuple[InstanceView, ...]:
        """All instances that are remembered, those seen last first."""
        locks = {lock.target: lock for lock in self.locks(now)}
        return tuple(
            InstanceView(
                row=row,
                lock=next((locks[it] for it in row.instance.targets if it in locks), None),
            )
            for row in self._store.instances.rows(now)
        )

    def _known(self, target: Target) -> Target:
        if target.kind is LockKind.BOT:
            # A workload may be locked before anybody has joined by its name.
            return target
        if target.kind is LockKind.INSTANCE:
            return self._one(target, self._store.instances.ids_like(target.name))
        if self._store.tokens.is_known(target.name) or self._is_rule(target.name):
            return target
        raise LockRefused(
            f"there is no join token {target.name!r}",
            hint="its id is the middle part of the token, and in the audit file, a rule's is "
            "'rule:' and its name; "
            "'devwiz-gw issuer instances' shows who joined with which",
        )

    def _is_rule(self, name: str) -> bool:
        kind, _, rule = name.partition(":")
        return kind == "rule" and self._store.join_rules.find(rule) is not None

    def _locked(self, target: Target, now: datetime) -> Target:
        found = [lock.target.name for lock in self.locks(now) if lock.target.kind is target.kind]
        if target.kind is not LockKind.INSTANCE:
            found = [name for name in found if name == target.name]
        elif len(target.name) < _MIN_PREFIX:
            found = []
        matching = [name for name in found if name.startswith(target.name)]
        if not matching:
            raise LockRefused(
                f"there is no lock on {target.kind} {target.name!r}",
                hint="'devwiz-gw issuer instances' lists the locks in force",
            )
        return self._one(target, matching)

    def _one(self, target: Target, found: list[str]) -> Target:
        if len(target.name) >= _MIN_PREFIX and len(found) == 1:
            return Target(kind=target.kind, name=found[0])
        if target.name in found:
            return target
        problem = "more than one" if len(found) > 1 else "no"
        raise LockRefused(
            f"there is {problem} instance {target.name!r}",
            hint=f"give its id, or at least the first {_MIN_PREFIX} characters of it, as "
            "'devwiz-gw issuer instances' shows it",
        )


def put(store: Store, lock: Lock) -> int:
    """Set a lock within a transaction; how many certificates were taken back."""
    store.locks.put(lock)
    return 0 if lock.revoke is None else store.locks.revoke(lock.target, lock.revoke, lock.locked)


def lock_copied(store: Store, instance: Instance, shown: str, event: Event, now: datetime) -> None:
    """Keep out both holders of a copied identity, and nobody else, until a person has looked. What
    they hold is put on hold, not taken back for good: one of them is honest.
    """
    target = instance.targets[0]
    message = f"in use in two places: {shown} was shown again"
    event.target, event.revoke = str(target), Reason.HOLD
    put(store, Lock(target=target, message=message, locked=now))


def checked_message(text: str) -> str:
    """The message in normal form.

    Raises:
        LockRefused: it is too long, or not one line of text.
    """
    text = text.strip()
    if len(text) > MAX_MESSAGE or not text.isprintable():
        raise LockRefused(
            "the lock's message is not usable",
            hint=f"use one line of up to {MAX_MESSAGE} characters",
        )
    return text
