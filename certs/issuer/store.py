"""The issuer's state in SQLite: one file, its tables, and transactions over them.

Every change of state is one transaction. One `Store` is used from one thread at a time (the
issuer's worker); several processes may have the file open, as `issuer token` beside `issuer serve`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from certs.errors import CertsError
from certs.issuer import schema
from certs.issuer.tables.authorities import Authorities
from certs.issuer.tables.instances import Instances
from certs.issuer.tables.join_rules import JoinRules
from certs.issuer.tables.locks import Locks
from certs.issuer.tables.revocation_lists import SignedLists
from certs.issuer.tables.settings import Settings
from certs.issuer.tables.tokens import Tokens

_BUSY_TIMEOUT_S: Final = 5.0


class StateUnusable(CertsError):
    """The state file is absent, from a newer program, or damaged."""


class Store:
    """The state file. `create` makes it, the constructor opens it; `close` when done.

    Raises:
        StateUnusable: when it is opened: see there.
        sqlite3.Error: from every method, also of the tables, when the disk or the file fails.
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
        self.settings = Settings(self._db)
        self.authorities = Authorities(self._db)
        self.tokens = Tokens(self._db)
        self.join_rules = JoinRules(self._db)
        self.locks = Locks(self._db)
        self.instances = Instances(self._db)
        self.revocation_lists = SignedLists(self._db)

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

    def prune(self, before: datetime) -> None:
        """Forget certificates and tokens that ended before then, and what hangs on them alone."""
        self.tokens.prune(before)
        self.instances.prune(before)
        self.locks.prune(before)

    def _prepare(self, path: Path) -> None:
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk before a certificate leaves, also if the power fails.
            self._db.execute("PRAGMA synchronous = FULL")
            with self.transaction():
                version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
                if version < schema.VERSION:
                    self._bring_up_to_date(version)
        except sqlite3.DatabaseError as error:
            raise StateUnusable(
                f"{path} can't be used as the issuer's state: {error}",
                hint="check the disk and the file's owner; restore the folder from a backup",
            ) from error
        if version > schema.VERSION:
            raise StateUnusable(
                f"{path} was written by a newer program (schema {version})",
                hint="use that program's version or a newer one",
            )

    def _bring_up_to_date(self, version: int) -> None:
        for statement in schema.statements(version):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {schema.VERSION}")
