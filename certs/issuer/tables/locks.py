"""Who is denied, why, and until when."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from certs.issuer.tables.columns import to_ms


class Locks:
    """The table `locks`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def lock_instance(self, instance_id: str, *, reason: str, now: datetime) -> None:
        """Deny the instance from now on; its end needs no date, as its certificates have one."""
        self._db.execute(
            "REPLACE INTO locks VALUES ('instance', ?, ?, ?, NULL)",
            (instance_id, reason, to_ms(now)),
        )

    def is_locked(self, kind: str, target: str, now: datetime) -> bool:
        """Whether a lock on the target holds."""
        row = self._db.execute(
            "SELECT 1 FROM locks WHERE kind = ? AND target = ?"
            " AND (until_ms IS NULL OR until_ms > ?)",
            (kind, target, to_ms(now)),
        ).fetchone()
        return row is not None

    def prune(self) -> None:
        """Forget the locks of instances that are forgotten."""
        self._db.execute(
            "DELETE FROM locks WHERE kind = 'instance' AND target NOT IN (SELECT id FROM instances)"
        )
