"""`identity.secret_stores.vault.opening`."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity.errors import StoreUnavailable, UnlockRefused, VaultExists, VaultMissing
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.vault.opening import (
    add_slot,
    make_vault,
    read_slots,
    remove_slot,
    unlock,
)
from identity.secret_stores.vault.slots import MAX_SLOTS, Enrolment, SlotAddress
from tests.fakes.vault import NOW, GivenSlot, VaultRig, passphrase_slot

TOKEN = SecretRef("acme", "planner-token")


@pytest.fixture
def rig(tmp_path: Path) -> VaultRig:
    return VaultRig(tmp_path).make()


def test_a_vault_is_made_private_and_empty(rig: VaultRig) -> None:
    assert rig.place.folder.stat().st_mode & 0o777 == 0o700
    assert rig.place.database.stat().st_mode & 0o777 == 0o600
    assert rig.vault().names("acme") == []
    assert [(row.id, row.kind, row.created) for row in read_slots(rig.place)] == [
        (1, "given", int(NOW))
    ]


def test_a_vault_is_never_made_over_something(rig: VaultRig) -> None:
    rig.vault().set(TOKEN, Secret("kept"))
    with pytest.raises(VaultExists):
        rig.make()
    assert rig.vault().get(TOKEN).reveal() == "kept"
    rig.place.database.write_bytes(b"something else")
    with pytest.raises(VaultExists):
        rig.make()
    assert rig.place.database.read_bytes() == b"something else"


def test_a_vault_is_not_made_where_others_reach(tmp_path: Path) -> None:
    rig = VaultRig(tmp_path)
    rig.place.folder.mkdir(mode=0o755)
    rig.place.folder.chmod(0o755)
    with pytest.raises(StoreUnavailable, match="open to others"):
        rig.make()
    assert list(rig.place.folder.iterdir()) == []


def test_a_kind_that_fails_leaves_no_vault(tmp_path: Path) -> None:
    class Failing(GivenSlot):
        def enrol(self, where: SlotAddress) -> Enrolment:
            raise UnlockRefused("nobody touched it")

    rig = VaultRig(tmp_path)
    with pytest.raises(UnlockRefused, match="nobody touched it"):
        make_vault(rig.place, [(GivenSlot(), ""), (Failing(), "")], now=NOW)
    with pytest.raises(VaultMissing):
        unlock(rig.place, GivenSlot())


def test_a_real_passphrase_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    rig = VaultRig(tmp_path)
    make_vault(rig.place, [(passphrase_slot(), "")], now=NOW)
    assert unlock(rig.place, passphrase_slot()).slot.kind == "passphrase"
    with pytest.raises(UnlockRefused, match="not unlocked"):
        unlock(rig.place, passphrase_slot("wrong horse battery"))


def test_every_slot_opens_the_same_secrets(rig: VaultRig) -> None:
    rig.vault().set(TOKEN, Secret("value"))
    second = GivenSlot(b"2" * 32)
    row = add_slot(rig.vault(), rig.unlocked(), second, label="spare", now=NOW)
    assert (row.id, row.label) == (2, "spare")
    for number, kind in ((1, rig.slot), (2, second)):
        assert unlock(rig.place, kind, only=number).keys().project("acme") == (
            rig.unlocked().keys().project("acme")
        )
    with pytest.raises(UnlockRefused):
        unlock(rig.place, second, only=1)


def test_a_removed_slot_opens_no_more_and_the_last_stays(rig: VaultRig) -> None:
    second = GivenSlot(b"2" * 32)
    add_slot(rig.vault(), rig.unlocked(), second, label="", now=NOW)
    vault = rig.vault()
    remove_slot(vault, 1)
    with pytest.raises(UnlockRefused):
        rig.unlocked()
    assert unlock(rig.place, second).slot.id == 2
    with pytest.raises(UnlockRefused, match="last slot is not removed"):
        remove_slot(vault, 2)
    with pytest.raises(UnlockRefused, match="no slot 7"):
        remove_slot(vault, 7)
    assert [row.id for row in read_slots(rig.place)] == [2]


def test_a_slot_put_back_by_hand_is_seen(rig: VaultRig) -> None:
    older = rig.place.database.read_bytes()
    second = GivenSlot(b"2" * 32)
    add_slot(rig.vault(), rig.unlocked(), second, label="", now=NOW, instead_of=1)
    assert [row.id for row in read_slots(rig.place)] == [2]
    rig.place.database.write_bytes(older)
    with pytest.raises(StoreUnavailable, match="older"):
        rig.vault().check()


def test_there_are_not_more_slots_than_may_be(rig: VaultRig) -> None:
    for _ in range(MAX_SLOTS - 1):
        add_slot(rig.vault(), rig.unlocked(), rig.slot, label="", now=NOW)
    with pytest.raises(UnlockRefused, match="at most"):
        add_slot(rig.vault(), rig.unlocked(), rig.slot, label="", now=NOW)


def test_slots_that_changed_meanwhile_are_not_overwritten(rig: VaultRig) -> None:
    class Slow(GivenSlot):
        def enrol(self, where: SlotAddress) -> Enrolment:
            add_slot(rig.vault(), rig.unlocked(), GivenSlot(), label="first", now=NOW)
            return super().enrol(where)

    with pytest.raises(StoreUnavailable, match="changed meanwhile"):
        add_slot(rig.vault(), rig.unlocked(), Slow(), label="second", now=NOW)
    assert [row.label for row in read_slots(rig.place)] == ["", "first"]
