"""`identity.secret_stores.vault.passphrase_slot`."""

from __future__ import annotations

from typing import Any

import pytest

from identity.errors import UnlockRefused
from identity.secret_stores.vault.slots import SlotAddress, SlotUnusable
from tests.fakes.vault import passphrase_slot

WHERE = SlotAddress(b"vault-one", 1)


def test_the_same_passphrase_gives_the_same_key() -> None:
    made = passphrase_slot().enrol(WHERE)
    assert passphrase_slot().key(WHERE, made.params) == made.key
    assert passphrase_slot("another passphrase").key(WHERE, made.params) != made.key
    assert passphrase_slot().enrol(WHERE).key != made.key, "each slot has a salt of its own"


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    made = passphrase_slot("caf\u00e9 caf\u00e9").enrol(WHERE)
    assert passphrase_slot("cafe\u0301 cafe\u0301").key(WHERE, made.params) == made.key


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(UnlockRefused, match="fewer than 8 characters"):
        passphrase_slot("seven77").enrol(WHERE)


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 64 * 1024 * 1024},
        {"memory_kib": 8},
        {"passes": 2**31},
        {"lanes": "4"},
        {"salt": ""},
        {"salt": "!"},
        {"salt": None},
        {"salt": 5},
    ],
    ids=str,
)
def test_edited_parameters_are_refused_at_once(change: dict[str, Any]) -> None:
    params = {**passphrase_slot().enrol(WHERE).params, **change}
    with pytest.raises(SlotUnusable):
        passphrase_slot().key(WHERE, params)
    for name in change:
        del params[name]
    with pytest.raises(SlotUnusable):
        passphrase_slot().key(WHERE, params)
