"""From the name in the configuration to the store; nothing is imported but the store chosen."""

from __future__ import annotations

import os
from collections.abc import Callable

from identity.errors import StoreUnavailable
from identity.secret_stores.base import SecretStore


def open_store(
    kind: str, *, warm_up: bool = False, on_prompt: Callable[[], None] = lambda: None
) -> SecretStore:
    """The store called `kind`: "keychain" or "memory". There is no fall-back between them.

    `warm_up` starts at once whatever the first call would have to wait for: for a command that is
    about to make one. Otherwise nothing is started, or found missing, before the first call.
    `on_prompt` is called, in some thread, when the store begins to wait for a person.

    Raises:
        StoreUnavailable: there is no such store.
    """
    if kind == "keychain":
        return _keychain(warm_up=warm_up, on_prompt=on_prompt)
    if kind == "memory":
        from identity.secret_stores.memory import MemoryStore

        return MemoryStore()
    raise StoreUnavailable(
        f"there is no secret store {kind!r}", hint='the configuration may say "keychain"'
    )


def _keychain(*, warm_up: bool, on_prompt: Callable[[], None]) -> SecretStore:
    from identity.secret_stores.keychain_helper import KeychainHelper

    helper = KeychainHelper(os.environ, on_prompt=on_prompt)
    if warm_up:
        helper.start()
    # The helper starts up while this imports asyncio.
    from identity.secret_stores.keychain import Keychain

    return Keychain(helper)
