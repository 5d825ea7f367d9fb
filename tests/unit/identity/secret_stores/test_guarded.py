"""`identity.secret_stores.guarded`."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity.errors import InvalidSecretValue, TouchNeeded
from identity.mfa.enrolled import Lock
from identity.mfa.sealed import seal
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.guarded import GuardedStore
from tests.fakes.vault import VaultRig

REF = SecretRef("acme", "db")


@pytest.fixture
def store(tmp_path: Path) -> GuardedStore:
    return GuardedStore(_Blocking(VaultRig(tmp_path).make()))


class _Blocking:
    """The vault, in this process."""

    def __init__(self, rig: VaultRig) -> None:
        vault = rig.vault()
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


def test_a_sealed_value_is_no_value(store: GuardedStore) -> None:
    text = seal("canary", REF, Lock(b"p" * 32, "acme").public)
    store.set_sealed(REF, Secret(text))
    with pytest.raises(TouchNeeded, match="acme/db is sealed"):
        store.get(REF)
    assert store.sealed(REF).reveal() == text
    assert store.names("acme") == ["db"]
    with pytest.raises(TouchNeeded, match="not replaced by a value that is open"):
        store.set(REF, Secret("plain"))
    store.delete(REF)
    store.close()
    store.interrupt()


def test_others_are_as_ever(store: GuardedStore) -> None:
    store.set(REF, Secret("plain"))
    assert store.get(REF).reveal() == store.sealed(REF).reveal() == "plain"


def test_nobody_sets_what_only_looks_sealed(store: GuardedStore) -> None:
    with pytest.raises(InvalidSecretValue, match="begins like a sealed one"):
        store.set(REF, Secret("devwiz-gw:sealed:1:AAAA"))
