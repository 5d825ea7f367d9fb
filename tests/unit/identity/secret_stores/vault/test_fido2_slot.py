"""`identity.secret_stores.vault.fido2_slot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from identity.errors import TouchDenied, UnlockRefused
from identity.secret_stores.vault.fido2_slot import Fido2Slot
from identity.secret_stores.vault.opening import add_slot, read_slots, remove_slot, unlock
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import Ada, ceremony_of
from tests.fakes.vault import NOW, VaultRig

PIN = "123456"


@pytest.fixture
def rig(tmp_path: Path) -> VaultRig:
    return VaultRig(tmp_path).make()


def slot(rig: VaultRig, device: Authenticator, *pins: str) -> Fido2Slot:
    ceremony = ceremony_of(rig.place.state, Ada(*pins), device)
    return Fido2Slot(lambda: ceremony, rows=read_slots(rig.place))


def add(rig: VaultRig, device: Authenticator) -> int:
    kind = slot(rig, device, device.pin, device.pin)
    return add_slot(rig.vault(), rig.unlocked(), kind, label="blue", now=NOW).id


def test_each_of_two_keys_opens_by_one_touch(rig: VaultRig) -> None:
    blue, red = Authenticator(), Authenticator(pin=PIN)
    numbers = add(rig, blue), add(rig, red)
    for device, number, pins in ((blue, numbers[0], ()), (red, numbers[1], (PIN,))):
        asked = device.asked
        opened = unlock(rig.place, slot(rig, device, *pins))
        assert opened.master == rig.unlocked().master
        assert opened.slot.id == number
        assert device.asked == asked + 1


def test_a_strange_key_and_a_removed_one_open_nothing(rig: VaultRig) -> None:
    blue = Authenticator()
    number = add(rig, blue)
    with pytest.raises(TouchDenied, match="not enrolled here"):
        unlock(rig.place, slot(rig, Authenticator()))
    remove_slot(rig.vault(), number)
    with pytest.raises(UnlockRefused):
        unlock(rig.place, slot(rig, blue))


def test_one_key_makes_one_slot(rig: VaultRig) -> None:
    blue = Authenticator()
    add(rig, blue)
    with pytest.raises(TouchDenied, match="enrolled already"):
        add(rig, blue)
    assert len(read_slots(rig.place)) == 2


def test_a_lost_key_leaves_the_other_slots(rig: VaultRig) -> None:
    number = add(rig, Authenticator())
    remove_slot(rig.vault(), number)
    assert unlock(rig.place, rig.slot).master == rig.unlocked().master


@pytest.mark.parametrize(
    "change", [{"verified": 1}, {"salt": "*"}, {"credential": None}, {"salt": "AAAA"}]
)
def test_an_edited_row_opens_nothing(rig: VaultRig, change: dict[str, object]) -> None:
    device = Authenticator()
    add(rig, device)
    row = read_slots(rig.place)[1]
    params = json.dumps({**json.loads(row.params), **change})
    from identity.secret_stores.vault.slots import open_slots

    edited = row._replace(params=params)
    kind = Fido2Slot(lambda: ceremony_of(rig.place.state, Ada(), device), rows=[edited])
    with pytest.raises((UnlockRefused, TouchDenied)):
        open_slots(kind, rig.unlocked().vault_id, [edited])


def test_the_secret_of_one_vault_is_none_of_another(rig: VaultRig, tmp_path: Path) -> None:
    device = Authenticator()
    add(rig, device)
    (tmp_path / "second").mkdir()
    other = VaultRig(tmp_path / "second").make()
    row = read_slots(rig.place)[1]
    from identity.secret_stores.vault.slots import open_slots

    with pytest.raises(UnlockRefused):
        open_slots(slot(rig, device), other.unlocked().vault_id, [row])
