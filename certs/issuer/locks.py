"""Locks: who is denied, on whose word, until when, and what becomes of certificates that are out.

Pure. A lock is on one instance, on all of a workload (a *bot*: its name, whatever token it comes
with), or on all that joined with one token. It is denied where it asks: at each renewal, and at
each join.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from certs.issuer.refusal import Code, Refused

MAX_MESSAGE: Final = 200


class LockKind(StrEnum):
    """What a lock is on; the narrowest first."""

    INSTANCE = "instance"
    BOT = "bot"
    TOKEN = "token"  # noqa: S105 - the name of a kind


class Reason(StrEnum):
    """Why certificates are taken back: the reason codes of RFC 5280 §5.3.1 that make sense for a
    leaf. A hold ends with its lock, the others don't.
    """

    HOLD = "certificate_hold"
    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a lock is on: an instance's id, a workload's name, or a token's id."""

    kind: LockKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock. `message` is shown to whoever is denied; `until` None means: until it is lifted;
    `revoke` None leaves the certificates that are out alone.
    """

    target: Target
    message: str
    locked: datetime
    until: datetime | None = None
    revoke: Reason | None = Reason.HOLD

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.until is None or now < self.until


_CODES: Final = {
    LockKind.INSTANCE: Code.INSTANCE_LOCKED,
    LockKind.BOT: Code.BOT_LOCKED,
    LockKind.TOKEN: Code.TOKEN_LOCKED,
}
_WHAT: Final = {
    LockKind.INSTANCE: "this instance is locked",
    LockKind.BOT: "this workload is locked",
    LockKind.TOKEN: "the join token is locked, and all that joined with it",
}


def refusal(lock: Lock) -> Refused:
    """What somebody is told whom the lock is on."""
    end = f" until {lock.until.isoformat(timespec='seconds')}" if lock.until else ""
    members = {"lock_message": lock.message} if lock.message else {}
    if lock.revoke:
        members["lock_revokes"] = lock.revoke
    if lock.until:
        members["lock_until"] = lock.until.isoformat(timespec="seconds")
    return Refused(
        _CODES[lock.target.kind],
        f"{_WHAT[lock.target.kind]}{end}",
        hint="it is lifted with 'devwiz-gw issuer unlock' where the issuer runs",
        members=members,
    )
