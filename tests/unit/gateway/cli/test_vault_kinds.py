"""`gateway.cli.vault_kinds`."""

from __future__ import annotations

import pytest

from gateway.cli.parsers import UsageError
from gateway.cli.vault_kinds import KIND_NAMES, Making, slot_kind
from identity.secret_stores.base import Secret
from identity.secret_stores.vault.argon2 import MIN_MEMORY_KIB, MIN_PASSES
from identity.secret_stores.vault.slots import SlotAddress


class Person:
    """Answers everything."""

    def passphrase(self) -> Secret:
        return Secret("correct horse battery")

    def recovery_code(self) -> Secret:
        return Secret("0000-0000")


def test_every_kind_is_made_by_its_name() -> None:
    for name in KIND_NAMES:
        assert slot_kind(name, Person()).name == name
    with pytest.raises(UsageError, match="no kind of slot 'Passphrase'") as refused:
        slot_kind("Passphrase", Person())
    assert "passphrase, recovery, keychain" in refused.value.hint


def test_a_new_passphrase_costs_this_machine_at_least_the_floor() -> None:
    kind = slot_kind("passphrase", Person(), Making(lambda code: None, unlock_s=0.01))
    params = kind.enrol(SlotAddress(b"vault-one", 1)).params
    assert params["memory_kib"] >= MIN_MEMORY_KIB
    assert params["passes"] >= MIN_PASSES
