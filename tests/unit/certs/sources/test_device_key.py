"""Where the bound key is kept."""

from __future__ import annotations

import asyncio

import pytest

from certs import keys
from certs.errors import SourceDenied, SourceUnavailable
from certs.sources.device_key import ReadOnlyKey, StoredKey
from identity.errors import StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore

REF = SecretRef("acme", "device-key")


class SilentStore(MemoryStore):
    """A store that never answers a write."""

    async def set(self, ref: SecretRef, value: Secret) -> None:
        await asyncio.Event().wait()


async def test_a_key_is_made_once_and_kept_before_it_is_used() -> None:
    store = MemoryStore()
    made = await StoredKey(store, REF).held(make=True, timeout_s=1)
    assert made.is_new
    again = await StoredKey(store, REF).held(make=True, timeout_s=1)
    assert not again.is_new
    assert keys.to_pem(again.key) == keys.to_pem(made.key)
    assert again.join_state == ""


async def test_the_state_is_kept_beside_the_key() -> None:
    store = MemoryStore()
    device = StoredKey(store, REF)
    await device.held(make=True, timeout_s=1)
    await device.keep_state("one")
    await device.keep_state("two")
    assert (await StoredKey(store, REF).held(make=False, timeout_s=1)).join_state == "two"
    assert await store.names("acme") == ["device-key", "device-key.join-state"]


async def test_no_key_is_made_unasked() -> None:
    store = MemoryStore()
    with pytest.raises(SourceDenied, match="there is no bound key") as caught:
        await StoredKey(store, REF).held(make=False, timeout_s=1)
    assert "identity device-key" in caught.value.hint
    assert await store.names("acme") == []


async def test_a_store_that_is_silent_is_given_up() -> None:
    device = StoredKey(SilentStore(), REF, timeout_s=0.05)
    with pytest.raises(SourceUnavailable, match="new bound key can't be kept in time"):
        await device.held(make=True, timeout_s=1)
    with pytest.raises(SourceUnavailable, match="join state can't be kept in time"):
        await device.keep_state("x")


async def test_a_store_that_is_locked_is_worth_another_try() -> None:
    async def locked() -> Secret:
        raise StoreUnavailable("the keychain is locked", hint="unlock it")

    with pytest.raises(SourceUnavailable, match="keychain is locked"):
        await ReadOnlyKey(locked).held(make=False, timeout_s=1)


async def test_nothing_of_a_key_is_shown() -> None:
    made = await StoredKey(MemoryStore(), REF).held(make=True, timeout_s=1)
    assert "PRIVATE" not in repr(made)
    assert repr(made).startswith("<")
