"""Join tokens, and who spent them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from certs.issuer.locks import LockKind, Target
from certs.issuer.policy import Binding
from certs.issuer.tables.columns import binding_columns, binding_from, from_ms, to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A join token as it is kept: the digest of its secret, what it binds, what is left of it."""

    id: str
    digest: bytes
    binding: Binding
    uses_left: int
    not_after: datetime

    @property
    def targets(self) -> tuple[Target, ...]:
        """What can be locked to keep out who joins with it."""
        return (
            Target(kind=LockKind.BOT, name=self.binding.workload),
            Target(kind=LockKind.TOKEN, name=self.id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The spending of a token by a key."""

    instance_id: str
    joined: datetime


class Tokens:
    """The tables `tokens` and `joins`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, token: Token) -> None:
        """Keep a new token."""
        self._db.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.id,
                token.digest,
                *binding_columns(token.binding),
                token.uses_left,
                to_ms(token.not_after),
            ),
        )

    def find(self, token_id: str) -> Token | None:
        """The token of that id, also when it is spent or expired."""
        row = self._db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        if row is None:
            return None
        return Token(
            id=row[0],
            digest=row[1],
            binding=binding_from(row[2:6]),
            uses_left=row[6],
            not_after=from_ms(row[7]),
        )

    def is_known(self, token_id: str) -> bool:
        """Whether there is such a token, or an instance that joined with it."""
        row = self._db.execute(
            "SELECT 1 FROM tokens WHERE id = ? UNION SELECT 1 FROM instances WHERE token_id = ?",
            (token_id, token_id),
        ).fetchone()
        return row is not None

    def spend(self, token: Token, *, key: str, instance_id: str, now: datetime) -> None:
        """Take one use off the token and remember who took it."""
        self._db.execute("UPDATE tokens SET uses_left = uses_left - 1 WHERE id = ?", (token.id,))
        self.remember_join(token.id, key=key, instance_id=instance_id, now=now)

    def remember_join(self, token_id: str, *, key: str, instance_id: str, now: datetime) -> None:
        """Remember what `key` got for a token, or by a join rule of that id."""
        # A key whose window has passed may spend another use of a multi-use token.
        self._db.execute(
            "REPLACE INTO joins VALUES (?, ?, ?, ?)", (token_id, key, instance_id, to_ms(now))
        )

    def join_of(self, token_id: str, key: str) -> Join | None:
        """What `key` got for this token, if it has spent it."""
        row = self._db.execute(
            "SELECT instance_id, joined_ms FROM joins WHERE token_id = ? AND key = ?",
            (token_id, key),
        ).fetchone()
        return None if row is None else Join(instance_id=row[0], joined=from_ms(row[1]))

    def prune(self, before: datetime) -> None:
        """Forget tokens that ended before then, and joins that no token explains any more."""
        end = (to_ms(before),)
        self._db.execute("DELETE FROM tokens WHERE not_after_ms < ?", end)
        self._db.execute(
            "DELETE FROM joins WHERE joined_ms < ? AND token_id NOT IN (SELECT id FROM tokens)", end
        )
