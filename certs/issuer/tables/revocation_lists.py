"""The revocation lists that were signed last, one for each authority."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from certs.issuer.tables.columns import from_ms, to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList:
    """A list as it went out. `entries` is a digest of what it names."""

    authority: str
    number: int
    made: datetime
    entries: str
    pem: str


class SignedLists:
    """The table `revocation_lists`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def latest(self, authority: str) -> SignedList | None:
        """The authority's last list."""
        row = self._db.execute(
            "SELECT * FROM revocation_lists WHERE authority = ?", (authority,)
        ).fetchone()
        if row is None:
            return None
        return SignedList(
            authority=row[0], number=row[1], made=from_ms(row[2]), entries=row[3], pem=row[4]
        )

    def keep(self, signed: SignedList) -> None:
        """Put it in the place of the authority's last one."""
        self._db.execute(
            "REPLACE INTO revocation_lists VALUES (?, ?, ?, ?, ?)",
            (signed.authority, signed.number, to_ms(signed.made), signed.entries, signed.pem),
        )
