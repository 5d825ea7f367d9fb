"""The secret stores against their contract, and what is particular to the keychain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from identity.secret_stores.base import SecretRef, SecretStore
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.memory import MemoryStore
from identity.secret_stores.threaded import ThreadedStore
from tests.contract.secret_store_suite import SecretStoreSuite
from tests.fakes import keychain_backend
from tests.fakes.secret_service import SessionBus, gnome_keyring, session_bus
from tests.fakes.vault import VaultRig


class TestMemory(SecretStoreSuite):
    @pytest.fixture
    def store(self) -> SecretStore:
        return MemoryStore()


class TestKeychainWithRoomyItems(SecretStoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SecretStore]:
        command = keychain_backend.command(tmp_path, "plain")
        keychain = ThreadedStore(Keychain(KeychainHelper({}, command=command)))
        yield keychain
        await keychain.close()


class TestKeychainWithTheLimitsOfWindows(SecretStoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SecretStore]:
        command = keychain_backend.command(tmp_path, "windows")
        keychain = ThreadedStore(Keychain(KeychainHelper({}, command=command)))
        yield keychain
        await keychain.close()


class TestKeychainWithTheWaysOfMacos(SecretStoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SecretStore]:
        command = keychain_backend.command(tmp_path, "macos")
        keychain = ThreadedStore(Keychain(KeychainHelper({}, command=command)))
        yield keychain
        await keychain.close()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultRig]:
    rig = VaultRig(tmp_path_factory.mktemp("vault")).make()
    rig.start()
    yield rig
    rig.stop()


class TestVault(SecretStoreSuite):
    """Over the process that holds the key."""

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


class TestKeychainOverGnomeKeyring(SecretStoreSuite):
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
