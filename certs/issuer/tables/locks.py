"""Who is denied, why, and until when; and the certificates that were taken back with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from certs.issuer.locks import Lock, LockKind, Reason, Target, refusal
from certs.issuer.tables.columns import from_ms, to_ms

_IN_FORCE: Final = "(until_ms IS NULL OR until_ms > ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A certificate that was taken back: `authority` is the key pin of the CA that signed it."""

    serial: str
    reason: Reason
    revoked: datetime


class Locks:
    """The tables `locks` and `revocations`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, lock: Lock) -> None:
        """Create a lock, or replace the one on the same target."""
        self._db.execute(
            "REPLACE INTO locks VALUES (?, ?, ?, ?, ?, ?)",
            (
                lock.target.kind,
                lock.target.name,
                lock.message,
                to_ms(lock.locked),
                None if lock.until is None else to_ms(lock.until),
                lock.revoke or "",
            ),
        )

    def lift(self, target: Target) -> bool:
        """Remove a lock and what it held back; whether there was one."""
        found = self._db.execute(
            "DELETE FROM locks WHERE kind = ? AND target = ?", (target.kind, target.name)
        ).rowcount
        self._db.execute(
            "DELETE FROM revocations WHERE lock_kind = ? AND lock_target = ? AND reason = ?",
            (target.kind, target.name, Reason.HOLD),
        )
        return found > 0

    def on(self, targets: Iterable[Target], now: datetime) -> Lock | None:
        """The first lock in force on one of the targets."""
        for target in targets:
            row = self._db.execute(
                f"SELECT * FROM locks WHERE kind = ? AND target = ? AND {_IN_FORCE}",  # noqa: S608
                (target.kind, target.name, to_ms(now)),
            ).fetchone()
            if row is not None:
                return _lock(row)
        return None

    def check(self, targets: Iterable[Target], now: datetime) -> None:
        """Raises `Refused` while a lock is on one of the targets."""
        lock = self.on(targets, now)
        if lock is not None:
            raise refusal(lock)

    def in_force(self, now: datetime) -> tuple[Lock, ...]:
        """All locks that hold."""
        rows = self._db.execute(
            f"SELECT * FROM locks WHERE {_IN_FORCE} ORDER BY locked_ms, kind, target",  # noqa: S608
            (to_ms(now),),
        )
        return tuple(_lock(row) for row in rows)

    def revoke(self, target: Target, reason: Reason, now: datetime) -> int:
        """Take back the certificates of the target that are still good; how many there are. What
        was taken back for good before stays as it is (RFC 5280 §5.3.1).
        """
        live = (
            " FROM certificates JOIN instances ON instances.id = certificates.instance_id"
            f" WHERE {_COLUMN[target.kind]} = ? AND not_after_ms > ?"
        )
        self._db.execute(
            f"INSERT INTO revocations SELECT serial, ?, ?, ?, ?, authority, not_after_ms{live}"
            " ON CONFLICT DO UPDATE SET reason = excluded.reason WHERE reason = ?",
            (target.kind, target.name, reason, to_ms(now), target.name, to_ms(now), Reason.HOLD),
        )
        count = self._db.execute(f"SELECT count(*){live}", (target.name, to_ms(now)))
        return int(count.fetchone()[0])

    def revocations(
        self, authority: str, *, ended_after: datetime, now: datetime
    ) -> tuple[Revocation, ...]:
        """What an authority's list has to name: each certificate that ends after the given time,
        once. A hold counts as long as its lock does, and less than any other reason.
        """
        rows = self._db.execute(
            "SELECT serial, revocations.reason, revoked_ms FROM revocations LEFT JOIN locks"
            " ON locks.kind = lock_kind AND locks.target = lock_target"
            " WHERE authority IN (?, '') AND not_after_ms > ?"
            " AND (revocations.reason <> ?"
            " OR (locks.kind IS NOT NULL AND (until_ms IS NULL OR until_ms > ?)))"
            " ORDER BY serial, revocations.reason = ?, revoked_ms",
            (authority, to_ms(ended_after), Reason.HOLD, to_ms(now), Reason.HOLD),
        )
        first: dict[str, Revocation] = {}
        for serial, reason, revoked_ms in rows:
            found = Revocation(serial=serial, reason=Reason(reason), revoked=from_ms(revoked_ms))
            first.setdefault(serial, found)
        return tuple(first.values())

    def prune(self, before: datetime) -> None:
        """Forget what ended before then, and the locks of instances that are forgotten."""
        self._db.execute("DELETE FROM revocations WHERE not_after_ms < ?", (to_ms(before),))
        self._db.execute("DELETE FROM locks WHERE until_ms < ?", (to_ms(before),))
        self._db.execute(
            "DELETE FROM locks WHERE kind = 'instance' AND target NOT IN (SELECT id FROM instances)"
        )


_COLUMN: Final = {
    LockKind.INSTANCE: "instances.id",
    LockKind.BOT: "instances.workload",
    LockKind.TOKEN: "instances.token_id",
}


def _lock(row: tuple[Any, ...]) -> Lock:
    return Lock(
        target=Target(kind=LockKind(row[0]), name=row[1]),
        message=row[2],
        locked=from_ms(row[3]),
        until=None if row[4] is None else from_ms(row[4]),
        revoke=Reason(row[5]) if row[5] else None,
    )
