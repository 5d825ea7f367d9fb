"""The state file: transactions, two processes, what survives."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.issuer.generation import Lineage, Link
from certs.issuer.policy import Binding
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance
from certs.issuer.tables.tokens import Token
from certs.profiles import LeafNames

NOW = datetime(2026, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)
BINDING = Binding(
    workload="planner",
    names=LeafNames(spiffe_id="spiffe://acme.example/agent/planner", dns_names=("a.example",)),
    max_life=timedelta(minutes=90),
)
TOKEN = Token(id="t1", digest=b"\x01" * 32, binding=BINDING, uses_left=2, not_after=NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_what_is_committed_reads_back_as_it_was(path: Path) -> None:
    lineage = Lineage(confirmed=Link(3, "key3"), pending=Link(4, "key4"))
    instance = Instance(id="i1", token_id="t1", binding=BINDING, lineage=lineage)
    store = Store.create(path)
    with store.transaction():
        store.tokens.add(TOKEN)
        store.instances.save(instance, NOW)
    store.close()
    again = Store(path)
    assert again.tokens.find("t1") == TOKEN
    assert again.instances.find("i1") == instance
    assert again.tokens.find("t2") is None
    again.close()


def test_a_transaction_that_fails_leaves_nothing(path: Path) -> None:
    store = Store.create(path)

    def fail_half_way() -> None:
        with store.transaction():
            store.tokens.add(TOKEN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert store.tokens.find("t1") is None
    store.close()


def test_a_commit_that_fails_leaves_nothing_open(path: Path) -> None:
    """A reference that is checked at the commit is a way to make one fail."""
    store = Store.create(path)
    store._db.execute("PRAGMA foreign_keys = ON")
    store._db.execute(
        "CREATE TABLE uses (token TEXT REFERENCES tokens (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"), store.transaction():
        store._db.execute("INSERT INTO uses VALUES ('nobody')")
    with store.transaction():
        store.tokens.add(TOKEN)
    assert store.tokens.find("t1") == TOKEN
    assert not store._db.execute("SELECT * FROM uses").fetchall()
    store.close()


def test_an_error_that_ended_the_transaction_is_told_itself(path: Path) -> None:
    store = Store.create(path)
    with pytest.raises(ZeroDivisionError), store.transaction():
        store._db.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        raise ZeroDivisionError
    store.close()


def test_a_token_is_never_spent_below_nothing(path: Path) -> None:
    store = Store.create(path)
    with store.transaction():
        store.tokens.add(TOKEN)
        for number in range(2):
            store.tokens.spend(TOKEN, key=f"key{number}", instance_id="i1", now=NOW)
    with pytest.raises(sqlite3.IntegrityError), store.transaction():
        store.tokens.spend(TOKEN, key="key3", instance_id="i1", now=NOW)
    spent = store.tokens.find("t1")
    assert spent is not None
    assert spent.uses_left == 0
    store.close()


def test_two_processes_see_each_others_commits(path: Path) -> None:
    serving, command = Store.create(path), Store(path)
    with command.transaction():
        command.tokens.add(TOKEN)
    assert serving.tokens.find("t1") == TOKEN
    serving.close()
    command.close()


def test_commits_are_durable(path: Path) -> None:
    store = Store.create(path)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()
