"""The issuer's state in SQLite: tokens, joins, instances, certificates, authorities, locks.

Every change of state is one transaction. One `Store` is used from one thread at a time (the
issuer's worker); several processes may have the file open, as `issuer token` beside `issuer serve`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from certs.errors import CertsError
from certs.issuer.generation import Lineage, Link
from certs.issuer.policy import Binding
from certs.profiles import LeafNames

SCHEMA_VERSION: Final = 1

_BUSY_TIMEOUT_S: Final = 5.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Times are milliseconds since 1970 UTC. A name set is a JSON array, so that no separator can clash.
_SCHEMA: Final = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE authorities (
  number INTEGER PRIMARY KEY,
  status TEXT NOT NULL CHECK (status IN ('active', 'trusted')),
  root_pem TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL,
  workload TEXT NOT NULL,
  spiffe_id TEXT NOT NULL,
  dns_names TEXT NOT NULL,
  max_life_ms INTEGER NOT NULL,
  uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE instances (
  id TEXT PRIMARY KEY,
  token_id TEXT NOT NULL,
  workload TEXT NOT NULL,
  spiffe_id TEXT NOT NULL,
  dns_names TEXT NOT NULL,
  max_life_ms INTEGER NOT NULL,
  confirmed_generation INTEGER NOT NULL,
  confirmed_key TEXT NOT NULL,
  pending_generation INTEGER,
  pending_key TEXT,
  joined_ms INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE joins (
  token_id TEXT NOT NULL,
  key TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  joined_ms INTEGER NOT NULL,
  PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE certificates (
  serial TEXT PRIMARY KEY,
  instance_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_by_end ON certificates (not_after_ms);
CREATE INDEX certificates_by_instance ON certificates (instance_id);
CREATE TABLE locks (
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  locked_ms INTEGER NOT NULL,
  until_ms INTEGER,
  PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;
"""


class StateUnusable(CertsError):
    """The state file is absent, from a newer program, or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A join token as it is kept: the digest of its secret, what it binds, what is left of it."""

    id: str
    digest: bytes
    binding: Binding
    uses_left: int
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A joined workload: its names, and how far its chain of certificates has come."""

    id: str
    token_id: str
    binding: Binding
    lineage: Lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """Which link of which instance's chain a serial number stands for."""

    serial: str
    instance_id: str
    link: Link
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The spending of a token by a key."""

    instance_id: str
    joined: datetime


class Store:
    """The state file. `create` makes it, the constructor opens it; `close` when done.

    Raises:
        StateUnusable: when it is opened: see there.
        sqlite3.Error: from every method, when the disk or the file fails.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StateUnusable(
                f"{path} doesn't exist", hint="run 'devwiz-gw issuer init' for this folder first"
            )
        # The thread is the caller's promise (one worker), not the one that happened to open it.
        self._db = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path)
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Store:
        """Make the file, mode 0600, if it isn't there, and open it."""
        # SQLite gives its -wal and -shm files the mode of the main file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return cls(path)

    def close(self) -> None:
        """Fold the write-ahead log back and let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes in the block, or none: also when the process is killed in it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may leave it open; other errors of SQLite have closed it already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # Settings and authorities

    def setting(self, name: str) -> str | None:
        """A value kept by `set_setting`, or None."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        """Create or replace a value."""
        self._db.execute("REPLACE INTO settings VALUES (?, ?)", (name, value))

    def add_authority(self, number: int, root_pem: str, *, status: str) -> None:
        """Add an authority; `status` is "active" (it signs) or "trusted" (in the bundle only)."""
        self._db.execute("INSERT INTO authorities VALUES (?, ?, ?)", (number, status, root_pem))

    def active_authority(self) -> int | None:
        """The number of the authority that signs."""
        row = self._db.execute("SELECT number FROM authorities WHERE status = 'active'").fetchone()
        return None if row is None else int(row[0])

    def roots(self) -> tuple[str, ...]:
        """The root certificates of all authorities, PEM, the oldest first."""
        rows = self._db.execute("SELECT root_pem FROM authorities ORDER BY number")
        return tuple(str(row[0]) for row in rows)

    # Tokens and joins

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        self._db.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.id,
                token.digest,
                *_binding_columns(token.binding),
                token.uses_left,
                _ms(token.not_after),
            ),
        )

    def token(self, token_id: str) -> Token | None:
        """The token of that id, also when it is spent or expired."""
        row = self._db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        if row is None:
            return None
        return Token(
            id=row[0],
            digest=row[1],
            binding=_binding(row[2:6]),
            uses_left=row[6],
            not_after=_time(row[7]),
        )

    def spend(self, token: Token, *, key: str, instance_id: str, now: datetime) -> None:
        """Take one use off the token and remember who took it."""
        self._db.execute("UPDATE tokens SET uses_left = uses_left - 1 WHERE id = ?", (token.id,))
        # A key whose window has passed may spend another use of a multi-use token.
        self._db.execute(
            "REPLACE INTO joins VALUES (?, ?, ?, ?)", (token.id, key, instance_id, _ms(now))
        )

    def join_of(self, token_id: str, key: str) -> Join | None:
        """What `key` got for this token, if it has spent it."""
        row = self._db.execute(
            "SELECT instance_id, joined_ms FROM joins WHERE token_id = ? AND key = ?",
            (token_id, key),
        ).fetchone()
        return None if row is None else Join(instance_id=row[0], joined=_time(row[1]))

    # Instances and their certificates

    def save_instance(self, instance: Instance, now: datetime) -> None:
        """Create an instance, or replace its lineage and mark it as seen."""
        lineage = instance.lineage
        pending = lineage.pending
        self._db.execute(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET confirmed_generation = excluded.confirmed_generation,"
            " confirmed_key = excluded.confirmed_key,"
            " pending_generation = excluded.pending_generation,"
            " pending_key = excluded.pending_key, seen_ms = excluded.seen_ms",
            (
                instance.id,
                instance.token_id,
                *_binding_columns(instance.binding),
                lineage.confirmed.generation,
                lineage.confirmed.key,
                pending.generation if pending else None,
                pending.key if pending else None,
                _ms(now),
                _ms(now),
            ),
        )

    def instance(self, instance_id: str, now: datetime) -> Instance | None:
        """The instance; `lineage.is_locked` says whether a lock holds at `now`."""
        row = self._db.execute("SELECT * FROM instances WHERE id = ?", (instance_id,)).fetchone()
        if row is None:
            return None
        lineage = Lineage(
            confirmed=Link(row[6], row[7]),
            pending=None if row[8] is None else Link(row[8], row[9]),
            is_locked=self._is_locked("instance", instance_id, now),
        )
        return Instance(id=row[0], token_id=row[1], binding=_binding(row[2:6]), lineage=lineage)

    def lock_instance(self, instance_id: str, *, reason: str, now: datetime) -> None:
        """Deny the instance from now on; its end needs no date, as its certificates have one."""
        self._db.execute(
            "REPLACE INTO locks VALUES ('instance', ?, ?, ?, NULL)", (instance_id, reason, _ms(now))
        )

    def add_certificate(self, issued: IssuedCertificate) -> None:
        """Remember what a serial number stands for."""
        self._db.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?)",
            (
                issued.serial,
                issued.instance_id,
                issued.link.generation,
                issued.link.key,
                _ms(issued.not_after),
            ),
        )

    def certificate(self, serial: str) -> IssuedCertificate | None:
        """What the serial number (lower-case hex) stands for."""
        row = self._db.execute("SELECT * FROM certificates WHERE serial = ?", (serial,)).fetchone()
        if row is None:
            return None
        return IssuedCertificate(
            serial=row[0], instance_id=row[1], link=Link(row[2], row[3]), not_after=_time(row[4])
        )

    def prune(self, before: datetime) -> None:
        """Forget certificates and tokens that ended before then, and what hangs on them alone."""
        end = (_ms(before),)
        self._db.execute("DELETE FROM certificates WHERE not_after_ms < ?", end)
        self._db.execute("DELETE FROM tokens WHERE not_after_ms < ?", end)
        self._db.execute("DELETE FROM joins WHERE token_id NOT IN (SELECT id FROM tokens)")
        self._db.execute(
            "DELETE FROM instances WHERE seen_ms < ?"
            " AND id NOT IN (SELECT instance_id FROM certificates)",
            end,
        )
        self._db.execute(
            "DELETE FROM locks WHERE kind = 'instance' AND target NOT IN (SELECT id FROM instances)"
        )

    def _is_locked(self, kind: str, target: str, now: datetime) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM locks WHERE kind = ? AND target = ?"
            " AND (until_ms IS NULL OR until_ms > ?)",
            (kind, target, _ms(now)),
        ).fetchone()
        return row is not None

    def _prepare(self, path: Path) -> None:
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk before a certificate leaves, also if the power fails.
            self._db.execute("PRAGMA synchronous = FULL")
            with self.transaction():
                version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
                if version == 0:
                    self._make_schema()
        except sqlite3.DatabaseError as error:
            raise StateUnusable(
                f"{path} can't be used as the issuer's state: {error}",
                hint="check the disk and the file's owner; restore the folder from a backup",
            ) from error
        if version > SCHEMA_VERSION:
            raise StateUnusable(
                f"{path} was written by a newer program (schema {version})",
                hint="use that program's version or a newer one",
            )

    def _make_schema(self) -> None:
        # Not executescript: that would commit the transaction first.
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _binding_columns(binding: Binding) -> tuple[str, str, str, int]:
    return (
        binding.workload,
        binding.names.spiffe_id,
        json.dumps(binding.names.dns_names),
        binding.max_life // timedelta(milliseconds=1),
    )


def _binding(columns: tuple[str, str, str, int]) -> Binding:
    workload, spiffe_id, dns_names, max_life_ms = columns
    return Binding(
        workload=workload,
        names=LeafNames(spiffe_id=spiffe_id, dns_names=tuple(json.loads(dns_names))),
        max_life=timedelta(milliseconds=max_life_ms),
    )


def _ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
