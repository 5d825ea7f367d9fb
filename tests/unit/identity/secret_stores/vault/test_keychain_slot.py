"""`identity.secret_stores.vault.keychain_slot`, over a keychain in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.errors import SecretNotFound, StoreUnavailable, UnlockRefused
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.vault.keychain_slot import KeychainSlot
from identity.secret_stores.vault.slots import SlotAddress
from tests.fakes import keychain_backend

WHERE = SlotAddress(b"vault-one", 1)


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[KeychainHelper]:
    helper = KeychainHelper({}, command=keychain_backend.command(tmp_path, "plain"))
    yield helper
    helper.stop()


def test_the_key_is_in_the_keychain_until_it_is_forgotten(helper: KeychainHelper) -> None:
    slot = KeychainSlot(Keychain(helper, area="vault"))
    made = slot.enrol(WHERE)
    assert made.params == {}
    assert slot.key(WHERE, {}) == made.key
    slot.forget(WHERE)
    slot.forget(WHERE)
    with pytest.raises(UnlockRefused, match="holds no key"):
        slot.key(WHERE, {})


def test_no_project_can_name_the_key(helper: KeychainHelper) -> None:
    keychain = Keychain(helper, area="vault")
    KeychainSlot(keychain).enrol(WHERE)
    (name,) = keychain.names("vault-keys")
    secrets = Keychain(helper)
    assert secrets.names("vault-keys") == []
    for project in ("vault-keys", "vault", "devwiz-gw-vault"):
        with pytest.raises(SecretNotFound):
            secrets.get(SecretRef(project, name))


def test_a_locked_keychain_says_so(helper: KeychainHelper, tmp_path: Path) -> None:
    slot = KeychainSlot(Keychain(helper, area="vault", may_prompt=False))
    slot.enrol(WHERE)
    (tmp_path / "lock").touch()
    with pytest.raises(StoreUnavailable, match="locked"):
        slot.key(WHERE, {})


def test_an_item_that_is_no_key_opens_nothing(helper: KeychainHelper) -> None:
    keychain = Keychain(helper, area="vault")
    made = KeychainSlot(keychain).enrol(WHERE)
    keychain.set(SecretRef("vault-keys", str(WHERE)), Secret("not hexadecimal"))
    assert KeychainSlot(keychain).key(WHERE, {}) != made.key
