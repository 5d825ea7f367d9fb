"""The issuer's authorities; their keys are in folders."""

from __future__ import annotations

import sqlite3


class Authorities:
    """The table `authorities`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, number: int, root_pem: str, *, status: str) -> None:
        """Add an authority; `status` is "active" (it signs) or "trusted" (in the bundle only)."""
        self._db.execute("INSERT INTO authorities VALUES (?, ?, ?)", (number, status, root_pem))

    def active(self) -> int | None:
        """The number of the authority that signs."""
        row = self._db.execute("SELECT number FROM authorities WHERE status = 'active'").fetchone()
        return None if row is None else int(row[0])

    def activate(self, number: int) -> None:
        """Let this one sign, and the others be in the bundle only."""
        self._db.execute(
            "UPDATE authorities SET status = iif(number = ?, 'active', 'trusted')", (number,)
        )

    def remove(self, number: int) -> None:
        """Take one out of the bundle."""
        self._db.execute("DELETE FROM authorities WHERE number = ?", (number,))

    def roots(self) -> dict[int, str]:
        """The root certificates of all authorities, PEM, by number, the oldest first."""
        rows = self._db.execute("SELECT number, root_pem FROM authorities ORDER BY number")
        return {int(row[0]): str(row[1]) for row in rows}
