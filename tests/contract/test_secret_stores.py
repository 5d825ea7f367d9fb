"""The secret stores against their contract, and what is particular to the keychain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from identity.secret_stores.base import SecretRef, SecretStore
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.memory import MemoryStore
from identity.secret_stores.threaded import ThreadedStore
from identity.secret_stores.vault.client import VaultClient
from tests.contract.binding_suite import Asked, BindingSuite
from tests.contract.secret_store_suite import SecretStoreSuite
from tests.fakes import keychain_backend
from tests.fakes.secret_service import SessionBus, gnome_keyring, session_bus
from tests.fakes.vault import VaultRig


class TestMemory(SecretStoreSuite):
    @pytest.fixture
    def store(self) -> SecretStore:
        return MemoryStore()


class FolderKeychain(SecretStoreSuite, BindingSuite):
    """Over a stand-in of one platform's keychain, `kind`."""

    kind: ClassVar[str]

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SecretStore]:
        keychain = ThreadedStore(Keychain(self.helper(tmp_path)))
        yield keychain
        await keychain.close()

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Iterator[Asked]:
        helper = self.helper(tmp_path)
        yield lambda asker: Keychain(helper, asker=asker)
        helper.stop()

    def helper(self, folder: Path) -> KeychainHelper:
        return KeychainHelper({}, command=keychain_backend.command(folder, self.kind))


class TestKeychainWithRoomyItems(FolderKeychain):
    kind = "plain"


class TestKeychainWithTheLimitsOfWindows(FolderKeychain):
    kind = "windows"


class TestKeychainWithTheWaysOfMacos(FolderKeychain):
    kind = "macos"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultRig]:
    rig = VaultRig(tmp_path_factory.mktemp("vault")).make()
    rig.start()
    yield rig
    rig.stop()


class TestVault(SecretStoreSuite, BindingSuite):
    """Over the process that holds the key."""

    @pytest.fixture
    def asked(self, vault: VaultRig) -> Asked:
        return lambda asker: VaultClient(vault.place, asker=asker)

    @pytest.fixture
    async def store(self, vault: VaultRig) -> AsyncIterator[SecretStore]:
        store = ThreadedStore(vault.client("/home/acme/devwiz-gw.toml"))
        try:
            yield store
        finally:
            for project in ("acme", "other"):
                for name in await store.names(project):
                    await store.delete(SecretRef(project, name))
            await store.close()


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[SessionBus]:
    with session_bus(tmp_path) as bus, gnome_keyring(bus):
        yield bus


class TestKeychainOverGnomeKeyring(SecretStoreSuite, BindingSuite):
    @pytest.fixture
    def asked(self, desktop: SessionBus) -> Iterator[Asked]:
        helper = KeychainHelper(desktop.env)
        yield lambda asker: Keychain(helper, asker=asker)
        helper.stop()

    @pytest.fixture
    async def store(self, desktop: SessionBus) -> AsyncIterator[SecretStore]:
        keychain = ThreadedStore(Keychain(KeychainHelper(desktop.env)))
        try:
            yield keychain
            for project in ("acme", "other"):
                for name in await keychain.names(project):
                    await keychain.delete(SecretRef(project, name))
        finally:
            await keychain.close()
        assert desktop.stored_items() == []
