"""A slot whose key lies in the operating system's keychain: opened by being signed in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from identity.errors import SecretNotFound, StoreUnavailable, UnlockRefused
from identity.secret_stores.base import BlockingStore, Secret, SecretRef
from identity.secret_stores.vault.keys import KEY_BYTES
from identity.secret_stores.vault.slots import Enrolment, SlotAddress

_PROJECT = "vault-keys"


class KeychainSlot:
    """A `SlotKind` over `keychain`, whose items no project can name."""

    name = "keychain"

    def __init__(self, keychain: BlockingStore) -> None:
        self._keychain = keychain

    def enrol(self, where: SlotAddress) -> Enrolment:
        """See `SlotKind.enrol`. The key is read back before anything relies on it."""
        key = os.urandom(KEY_BYTES)
        self._keychain.set(_ref(where), Secret(key.hex()))
        if self.key(where, {}) != key:
            raise StoreUnavailable(
                "the keychain did not keep the vault's key", hint="look at it with its own tool"
            )
        return Enrolment(key, {})

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """See `SlotKind.key`. Raises what the keychain raises."""
        try:
            return bytes.fromhex(self._keychain.get(_ref(where)).reveal())
        except SecretNotFound:
            raise UnlockRefused(
                "the keychain holds no key for this vault",
                hint="it was removed there, or this is another keychain; unlock by another slot",
            ) from None
        except ValueError:
            return bytes(KEY_BYTES)  # opens nothing

    def forget(self, where: SlotAddress) -> None:
        """Remove the key from the keychain."""
        try:
            self._keychain.delete(_ref(where))
        except SecretNotFound:
            return


def _ref(where: SlotAddress) -> SecretRef:
    return SecretRef(_PROJECT, str(where))
