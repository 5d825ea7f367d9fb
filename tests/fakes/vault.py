"""A vault of a test's own: quickly made, opened in this process or by the one that holds keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from identity.errors import VaultLocked
from identity.secret_stores.base import Secret
from identity.secret_stores.binding import Asker
from identity.secret_stores.vault.agent import Order
from identity.secret_stores.vault.argon2 import FLOOR
from identity.secret_stores.vault.client import VaultClient
from identity.secret_stores.vault.launch import launch
from identity.secret_stores.vault.marks import MarkKeeper
from identity.secret_stores.vault.opening import Unlocked, make_vault, unlock
from identity.secret_stores.vault.passphrase_slot import PassphraseSlot
from identity.secret_stores.vault.place import Place
from identity.secret_stores.vault.slots import Enrolment, SlotAddress
from identity.secret_stores.vault.vault import Vault

PASSPHRASE = "correct horse battery"
NOW = 1_800_000_000.0


class GivenSlot:
    """A `SlotKind` whose key a test gives: it costs nothing to open."""

    name = "given"

    def __init__(self, key: bytes = b"k" * 32) -> None:
        self.key_given = key
        self.forgotten: list[SlotAddress] = []

    def enrol(self, where: SlotAddress) -> Enrolment:
        return Enrolment(self.key_given, {"any": 1})

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:
        return self.key_given

    def forget(self, where: SlotAddress) -> None:
        self.forgotten.append(where)


def passphrase_slot(passphrase: str = PASSPHRASE) -> PassphraseSlot:
    """The real thing, at its lowest cost."""
    return PassphraseSlot(lambda: Secret(passphrase), cost=lambda: FLOOR)


class VaultRig:
    """A vault in `folder`/vault, its marks in `folder`/state."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder / "vault", folder / "state")
        self.slot = GivenSlot()

    def make(self) -> VaultRig:
        """Make the vault; one slot opens it."""
        make_vault(self.place, [(self.slot, "")], now=NOW)
        return self

    def unlocked(self) -> Unlocked:
        """The master key."""
        return unlock(self.place, self.slot)

    def vault(self, *, far: Sequence[MarkKeeper] = ()) -> Vault:
        """The vault, open in this process."""
        keys = self.unlocked().keys()
        return Vault(self.place, lambda: keys, far=far)

    def start(self, *, auto_lock_s: float = 0.0, env: Mapping[str, str] = os.environ) -> None:
        """Start the process that holds the key."""
        opened = self.unlocked()
        order = Order(
            place=self.place,
            vault_id=opened.vault_id,
            auto_lock_s=auto_lock_s,
            mark_in_keychain=False,
        )
        launch(order.message(opened.master), env)

    def client(self, file: str | None = None) -> VaultClient:
        """A client of that process, for the configuration at `file`, if there is one."""
        asker = None if file is None else Asker(file=file, state="/state/devwiz-gw")
        return VaultClient(self.place, asker=asker)

    def stop(self) -> None:
        """End that process, if there is one."""
        try:
            self.client().lock()
        except VaultLocked:
            return
