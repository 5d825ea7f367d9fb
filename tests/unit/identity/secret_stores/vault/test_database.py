"""`identity.secret_stores.vault.database`: damage is named, and nothing is lost by it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from identity.errors import StoreUnavailable, VaultDamaged, VaultExists
from identity.secret_stores.vault import database
from identity.secret_stores.vault.contents import (
    Contents,
    ProjectRow,
    RecordRow,
    SlotRow,
    is_sealed,
)
from identity.secret_stores.vault.keys import Keys

SLOT = SlotRow(1, "passphrase", "label", 5, "{}", b"wrapped")
RECORD = RecordRow(b"p", b"n", 3, 0, b"label", b"box" * 3000)
EMPTY = Contents(vault_id=b"id", epoch=1, seal=b"s", slots=(SLOT,), projects=(), records=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    database.create(path, EMPTY)
    return path


def put(path: Path, row: RecordRow = RECORD, *, epoch: int = 2) -> None:
    with database.changing(path) as (_, change):
        change.put_record(row)
        change.finish(epoch, b"t")


def test_what_was_made_is_read(path: Path) -> None:
    assert database.read(path) == EMPTY
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["vault.db"]


def test_nothing_is_written_over(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(VaultExists):
        database.create(path, EMPTY)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["vault.db"]


def test_what_a_killed_maker_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "vault.db.new").write_bytes(b"half")
    database.create(tmp_path / "vault.db", EMPTY)
    assert database.read(tmp_path / "vault.db") == EMPTY


def test_a_finished_change_is_there_and_an_unfinished_is_not(path: Path) -> None:
    put(path)
    after = database.read(path)
    assert (after.records, after.epoch, after.seal) == ((RECORD,), 2, b"t")
    with pytest.raises(KeyError), database.changing(path) as (_, change):
        change.remove_record(RECORD)
        change.put_project(ProjectRow(b"p", b"b"))
        raise KeyError
    with database.changing(path) as (_, change):
        change.remove_record(RECORD)
        assert change.contents().records == ()
    assert database.read(path) == after


def test_rows_are_replaced_and_removed(path: Path) -> None:
    put(path)
    put(path, RECORD._replace(version=4), epoch=3)
    assert database.read(path).records == (RECORD._replace(version=4),)
    with database.changing(path) as (_, change):
        change.remove_record(RECORD)
        change.replace_slots([SLOT._replace(id=2)])
        change.finish(4, b"u")
    after = database.read(path)
    assert (after.records, after.slots) == ((), (SLOT._replace(id=2),))


def test_removed_content_is_overwritten(path: Path) -> None:
    put(path, RECORD._replace(box=b"canary" * 2000))
    assert b"canary" in path.read_bytes()
    with database.changing(path) as (_, change):
        change.remove_record(RECORD)
        change.finish(3, b"u")
    assert b"canary" not in path.read_bytes()


EDITS = {
    "another program's": "PRAGMA application_id = 1",
    "a trigger": "CREATE TRIGGER t AFTER UPDATE ON vault BEGIN DELETE FROM records; END",
    "a view": "CREATE VIEW v AS SELECT * FROM records",
    "a table less": "DROP TABLE projects",
    "a column more": "ALTER TABLE records ADD COLUMN more",
    "no head": "DELETE FROM vault",
    "text for bytes": "UPDATE vault SET seal = 'text'",
    "bytes for a number": "UPDATE vault SET epoch = x'00'",
    "a fraction": "UPDATE slots SET created = 1.5",
    "less than nothing": "UPDATE vault SET epoch = -1",
    "a number for text": "UPDATE slots SET params = x'ff'",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS.keys())
def test_an_edited_layout_is_damage_and_is_left_alone(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(VaultDamaged, match="is damaged") as damaged:
        database.read(path)
    assert "backup" in damaged.value.hint
    with pytest.raises(VaultDamaged):
        put(path)
    assert path.read_bytes() == before


def test_a_later_layout_is_not_damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreUnavailable, match="later version") as later:
        database.read(path)
    assert not isinstance(later.value, VaultDamaged)


def random_bytes(data: bytes) -> bytes:
    return random.Random(1).randbytes(len(data))


BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in a page": lambda data: data[:5000],
    "cut at a page": lambda data: data[:8192],
    "half": lambda data: data[: len(data) // 2],
    "no database": random_bytes,
    "no header": lambda data: bytes(100) + data[100:],
    "zeros behind the header": lambda data: data[:100] + bytes(len(data) - 100),
    "text": lambda data: b"not a database\n",
}


@pytest.mark.parametrize("spoil", BREAKS.values(), ids=BREAKS.keys())
def test_a_spoilt_file_is_damage_and_is_left_alone(
    path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    put(path)
    spoilt = spoil(path.read_bytes())
    path.write_bytes(spoilt)
    with pytest.raises(VaultDamaged):
        database.read(path)
    with pytest.raises(VaultDamaged):
        put(path, epoch=3)
    assert path.read_bytes() == spoilt


def test_any_flipped_bit_is_damage_or_breaks_the_seal(tmp_path: Path) -> None:
    path, keys = tmp_path / "vault.db", Keys(bytes(32), b"id")
    row = RecordRow(b"p", b"n", 2, 0, b"label", b"box")
    whole = replace(EMPTY, records=(row,), epoch=2)
    database.create(path, EMPTY)
    with database.changing(path) as (_, change):
        change.put_record(row)
        change.finish(2, whole.mark().seal(keys))
    whole, data = database.read(path), path.read_bytes()
    assert is_sealed(whole, keys)
    for position in random.Random(2).sample(range(len(data)), 300):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            found = database.read(path)
        except StoreUnavailable:
            continue
        # Bytes that nothing is read from may be any; an id that differs is refused by the vault.
        assert found == whole or found.vault_id != b"id" or not is_sealed(found, keys)


def test_a_file_that_is_held_is_unavailable_not_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="can't be used") as held:
            database.read(path)
    assert not isinstance(held.value, VaultDamaged)


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        database.read(tmp_path / "vault.db")
    assert list(tmp_path.iterdir()) == []
