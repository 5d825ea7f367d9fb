"""`identity.secret_stores.open`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from identity.errors import StoreUnavailable
from identity.secret_stores.binding import Asker
from identity.secret_stores.guarded import GuardedStore
from identity.secret_stores.memory import MemoryStore
from identity.secret_stores.open import open_blocking_store, open_store, open_vault
from identity.secret_stores.threaded import ThreadedStore
from identity.secret_stores.vault.client import VaultClient

ASKER = Asker(file="/acme/devwiz-gw.toml", state="/state/devwiz-gw")


def test_stores_are_chosen_by_name() -> None:
    assert isinstance(open_store("memory", asker=ASKER), MemoryStore)
    assert isinstance(open_store("keychain", asker=ASKER), ThreadedStore)
    assert isinstance(open_store("vault", asker=ASKER), ThreadedStore)
    assert isinstance(open_vault(folder=None, asker=None), VaultClient)
    assert isinstance(open_blocking_store("vault", asker=ASKER), GuardedStore)


@pytest.mark.parametrize("kind", ["", "Keychain", "file", "null"])
def test_an_unknown_store_is_refused(kind: str) -> None:
    with pytest.raises(StoreUnavailable, match="no secret store"):
        open_store(kind, asker=ASKER)


def test_a_command_is_not_offered_a_store_that_ends_with_it() -> None:
    with pytest.raises(StoreUnavailable):
        open_blocking_store("memory", asker=ASKER)


def test_asking_imports_neither_keyring_nor_an_event_loop() -> None:
    code = (
        "import sys; from identity.secret_stores.open import open_blocking_store;"
        "open_blocking_store('keychain', asker=None); open_blocking_store('vault', asker=None);"
        "sys.exit(bool({'keyring', 'asyncio', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
