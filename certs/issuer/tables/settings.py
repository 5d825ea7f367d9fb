"""Single values of the issuer, by name."""

from __future__ import annotations

import sqlite3


class Settings:
    """The table `settings`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def value(self, name: str) -> str | None:
        """The value kept by `keep`, or None."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep(self, name: str, value: str) -> None:
        """Create or replace a value."""
        self._db.execute("REPLACE INTO settings VALUES (?, ?)", (name, value))
