"""From a store's name in the configuration to the store; only the one chosen is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from identity.errors import StoreUnavailable

if TYPE_CHECKING:
    from identity.secret_stores.base import BlockingStore, SecretStore
    from identity.secret_stores.binding import Asker, Bindable
    from identity.secret_stores.guarded import GuardedStore
    from identity.secret_stores.keychain import Keychain
    from identity.secret_stores.keychain_helper import KeychainHelper
    from identity.secret_stores.vault.client import VaultClient


def open_store(kind: str, *, asker: Asker, folder: Path | None = None) -> SecretStore:
    """The store called `kind`: "keychain", "vault", "folder" or "memory".

    None falls back to another. `folder` is where the store "folder" finds its files, and where a
    vault is that is not the user's own. `asker` is who the secrets are for.
    Nothing is started, or found missing, before the first call.

    Raises:
        StoreUnavailable: there is no such store.
    """
    if kind == "memory":
        from identity.secret_stores.memory import MemoryStore

        return MemoryStore()
    store = open_blocking_store(kind, folder=folder, asker=asker)
    from identity.secret_stores.threaded import ThreadedStore

    return ThreadedStore(store)


def started_helper(
    kind: str, env: Mapping[str, str], *, on_prompt: Callable[[], None]
) -> KeychainHelper | None:
    """What the first call of the store called `kind` would have to wait for, started: of the
    keychain its process; others have nothing. `on_prompt` is called when the store begins to wait
    for a person.
    """
    if kind != "keychain":
        return None
    from identity.secret_stores.keychain_helper import KeychainHelper

    helper = KeychainHelper(env, on_prompt=on_prompt)
    helper.start()
    return helper


def open_blocking_store(
    kind: str,
    *,
    asker: Asker | None,
    folder: Path | None = None,
    helper: KeychainHelper | None = None,
) -> GuardedStore:
    """The store called `kind`, for a command that has no event loop: any but "memory".

    `folder` and `asker` are as for `open_store`; without `asker` nobody is held against what a
    project is bound to. `helper` is what `started_helper` gave; the store closes it.

    Raises:
        StoreUnavailable: there is no such store, or it can't be started.
    """
    from identity.secret_stores.guarded import GuardedStore

    return GuardedStore(_opened(kind, folder=folder, asker=asker, helper=helper))


def _opened(
    kind: str, *, folder: Path | None, asker: Asker | None, helper: KeychainHelper | None
) -> BlockingStore:
    if kind == "folder" and folder is not None:
        from identity.secret_stores.folder import SecretFolder

        return SecretFolder(folder)
    if kind == "vault":
        return open_vault(folder=folder, asker=asker)
    if kind != "keychain":
        raise StoreUnavailable(
            f"there is no secret store {kind!r} for this", hint='"keychain" keeps secrets'
        )
    return _open_keychain(asker, helper)


def open_bindable(kind: str, *, asker: Asker, folder: Path | None = None) -> Bindable:
    """The store called `kind` as one that knows who may use a project.

    Raises:
        StoreUnavailable: it is none.
    """
    if kind == "vault":
        return open_vault(folder=folder, asker=asker)
    if kind == "keychain":
        return _open_keychain(asker, None)
    raise StoreUnavailable(
        f"the store {kind!r} binds no project to a configuration",
        hint='[secrets] store = "keychain" and "vault" do',
    )


def open_vault(*, folder: Path | None, asker: Asker | None) -> VaultClient:
    """The store "vault" as itself, with what it can do beyond a `BlockingStore`."""
    from identity.secret_stores.vault.client import VaultClient
    from identity.secret_stores.vault.place import find_place

    return VaultClient(find_place(folder, os.environ), asker=asker)


def _open_keychain(asker: Asker | None, helper: KeychainHelper | None) -> Keychain:
    from identity.secret_stores.keychain import Keychain
    from identity.secret_stores.keychain_helper import KeychainHelper

    return Keychain(helper or KeychainHelper(os.environ), asker=asker)
