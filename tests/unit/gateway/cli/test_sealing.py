"""`gateway.cli.sealing`, as far as no key is needed: the rest is in tests/e2e/mfa."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.cli import secret
from gateway.cli.main import main
from gateway.cli.sealing import keep
from gateway.cli.secret_scope import Scope
from identity.errors import SecurityKeyUnavailable, TouchNeeded
from identity.mfa.enrolled import EnrolledKeys, KeySlot, Lock, encode, keys_ref
from identity.mfa.sealed import unseal
from identity.secret_stores.base import BlockingStore, Secret, SecretRef
from identity.secret_stores.guarded import GuardedStore
from tests.fakes.vault import VaultRig

REF = SecretRef("acme", "db")
LOCK = Lock(b"p" * 32, "acme")
SLOT = KeySlot(
    number=1,
    label="",
    credential=b"c",
    public_key=b"k",
    verified=False,
    salt=b"s" * 32,
    box=b"",
)


class InProcess:
    """A vault without the process that holds its key."""

    def __init__(self, folder: Path) -> None:
        vault = VaultRig(folder).make().vault()
        self.get, self.set, self.delete, self.names = (
            vault.get,
            vault.set,
            vault.delete,
            vault.names,
        )

    def close(self) -> None:
        """Nothing is open."""

    def interrupt(self) -> None:
        """Nothing waits."""


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    store: BlockingStore = InProcess(tmp_path)
    journal = Journal(tmp_path / "audit.jsonl", project="acme")
    return Scope(kind="vault", project="acme", store=GuardedStore(store), journal=journal)


def enrol(scope: Scope, *, recovery: bytes) -> None:
    keys = EnrolledKeys(public=LOCK.public, slots=(SLOT,), recovery=recovery)
    scope.store.set(keys_ref("acme"), Secret(encode(keys)))


def test_an_open_secret_stays_open(scope: Scope) -> None:
    assert not keep(scope, REF, Secret("value"), seal=False)
    assert scope.store.get(REF).reveal() == "value"


def test_it_is_sealed_for_enough_keys_only_and_stays_so(scope: Scope) -> None:
    with pytest.raises(SecurityKeyUnavailable):
        keep(scope, REF, Secret("value"), seal=True)
    enrol(scope, recovery=b"")
    with pytest.raises(SecurityKeyUnavailable):
        keep(scope, REF, Secret("value"), seal=True)
    enrol(scope, recovery=os.urandom(60))
    assert keep(scope, REF, Secret("first"), seal=True)
    assert keep(scope, REF, Secret("second"), seal=False)
    with pytest.raises(TouchNeeded):
        scope.store.get(REF)
    assert unseal(scope.store.sealed(REF).reveal(), REF, LOCK) == "second"


def test_a_value_that_can_not_be_sealed_is_not_asked_for(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(secret, "opened", lambda _: contextlib.nullcontext(scope))
    monkeypatch.setattr(secret, "read_secret", lambda text, **_: asked.append(text))
    assert main(["secret", "set", "--touch", "db"]) == 1
    assert "project acme has no security key to seal it for" in capsys.readouterr().err
    enrol(scope, recovery=b"")
    assert main(["secret", "set", "--touch", "db"]) == 1
    assert "would be lost with one security key" in capsys.readouterr().err
    assert not asked
