"""The vault's SQLite file: reads it whole, changes it in transactions. Knows no key.

SQLite's rollback journal, full synchronisation and one transaction a change make a change happen or
not, whenever the process is killed or the power fails. Removed content is overwritten.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from identity.atomic_file import sync_folder
from identity.errors import StoreUnavailable, VaultDamaged, VaultExists
from identity.secret_stores.vault.contents import Contents, ProjectRow, RecordRow, SlotRow
from identity.secret_stores.vault.place import RESTORE

#: "dvwz": in the file's header, so that other programs' databases are told apart.
_APPLICATION_ID: Final = 0x6476777A
_FORMAT: Final = 1
_BUSY_S: Final = 10.0

_SCHEMA: Final = (
    (
        "CREATE TABLE vault (only INTEGER PRIMARY KEY CHECK (only = 1), id BLOB NOT NULL,"
        " epoch INTEGER NOT NULL, seal BLOB NOT NULL)"
    ),
    (
        "CREATE TABLE slots (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL,"
        " created INTEGER NOT NULL, params TEXT NOT NULL, wrapped BLOB NOT NULL)"
    ),
    "CREATE TABLE projects (project BLOB PRIMARY KEY, box BLOB NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE records (project BLOB NOT NULL, name BLOB NOT NULL, version INTEGER NOT NULL,"
        " policy INTEGER NOT NULL, label BLOB NOT NULL, box BLOB NOT NULL,"
        " PRIMARY KEY (project, name)) WITHOUT ROWID"
    ),
)
_SETTINGS: Final = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = EXTRA",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)


def create(path: Path, contents: Contents) -> None:
    """Make the file, whole, at a path where there is none. Call with the vault's lock held.

    Raises:
        VaultExists: there is one; it is as it was.
    """
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    with closing(_connect(unfinished)) as connection:
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute("BEGIN EXCLUSIVE")
        for statement in _SCHEMA:
            connection.execute(statement)
        head = (contents.vault_id, contents.epoch, contents.seal)
        connection.execute("INSERT INTO vault VALUES (1, ?, ?, ?)", head)
        connection.executemany("INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?)", contents.slots)
        connection.execute("COMMIT")
    if os.path.lexists(path):
        unfinished.unlink()
        raise VaultExists(
            f"there is something at {path} already", hint="a vault is never written over"
        )
    unfinished.rename(path)
    sync_folder(path.parent)


def read(path: Path) -> Contents:
    """All that the file holds. Raises `VaultDamaged` or `StoreUnavailable`."""
    with _opened(path) as connection:
        return _read(connection)


@contextmanager
def changing(path: Path) -> Iterator[tuple[Contents, Change]]:
    """What the file holds, and a change to make; both under SQLite's lock.

    The change is made when the block ends without an error, and only if it was finished.
    """
    with _opened(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield _read(connection), Change(connection)
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Change:
    """Statements of one transaction; nothing has happened before `finish`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put_record(self, row: RecordRow) -> None:
        """Add a record, in the place of the one with the same tags."""
        self._connection.execute("REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", row)

    def remove_record(self, row: RecordRow) -> None:
        """Remove a record."""
        self._connection.execute(
            "DELETE FROM records WHERE project = ? AND name = ?", (row.project, row.name)
        )

    def put_project(self, row: ProjectRow) -> None:
        """Add a project's row, in the place of the one with the same tag."""
        self._connection.execute("REPLACE INTO projects VALUES (?, ?)", row)

    def replace_slots(self, rows: Sequence[SlotRow]) -> None:
        """Have these slots and no others."""
        self._connection.execute("DELETE FROM slots")
        self._connection.executemany("INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?)", rows)

    def contents(self) -> Contents:
        """What the file will hold."""
        return _read(self._connection)

    def finish(self, epoch: int, seal: bytes) -> None:
        """Seal the new contents and commit: once this returns, the disk has them."""
        self._connection.execute("UPDATE vault SET epoch = ?, seal = ?", (epoch, seal))
        self._connection.execute("COMMIT")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_connect(path)) as connection:
            _check_schema(connection, path)
            yield connection
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise _damaged(path) from error
        raise StoreUnavailable(
            f"the vault can't be used: {path}: {error}",
            hint="another process may hold it, the disk may be full, or its folder is not writable",
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path) from error


def _connect(path: Path) -> sqlite3.Connection:
    # With rw, a file that is gone is not made anew, empty.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    # Text that is no UTF-8 breaks the seal, not the reader.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another layout, and triggers or views that somebody put into this one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION_ID and version > _FORMAT:
        raise StoreUnavailable(
            f"{path} was made by a later version of this program", hint="use that version"
        )
    found = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    if application != _APPLICATION_ID or [sql for (sql,) in found] != list(_SCHEMA):
        raise _damaged(path)


def _read(connection: sqlite3.Connection) -> Contents:
    # In one transaction, or the tables could be of two states.
    own = not connection.in_transaction
    if own:
        connection.execute("BEGIN")
    heads = connection.execute("SELECT id, epoch, seal FROM vault").fetchall()
    slots = connection.execute("SELECT * FROM slots ORDER BY id").fetchall()
    projects = connection.execute("SELECT * FROM projects ORDER BY project").fetchall()
    records = connection.execute("SELECT * FROM records ORDER BY project, name").fetchall()
    if own:
        connection.execute("COMMIT")
    _check_cells(heads[:1] or [()], (bytes, int, bytes))
    _check_cells(slots, (int, str, str, int, str, bytes))
    _check_cells(projects, (bytes, bytes))
    _check_cells(records, (bytes, bytes, int, int, bytes, bytes))
    ((vault_id, epoch, seal),) = heads
    return Contents(
        vault_id=vault_id,
        epoch=epoch,
        seal=seal,
        slots=tuple(map(SlotRow._make, slots)),
        projects=tuple(map(ProjectRow._make, projects)),
        records=tuple(map(RecordRow._make, records)),
    )


def _check_cells(rows: Sequence[Sequence[object]], kinds: Sequence[type]) -> None:
    """SQLite keeps any type in any column: an edited file may hold others, or less than nothing."""
    for row in rows:
        negative = any(isinstance(cell, int) and cell < 0 for cell in row)
        if negative or [type(cell) for cell in row] != list(kinds):
            raise sqlite3.DatabaseError("a cell has another type")


def _damaged(path: Path) -> VaultDamaged:
    return VaultDamaged(f"the vault's file {path} is damaged", hint=RESTORE)
