"""`identity.secret_stores.vault.slots`."""

from __future__ import annotations

from typing import Any

import pytest

from identity.errors import UnlockRefused
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.slots import (
    MAX_LABEL,
    SlotAddress,
    SlotUnusable,
    make_slot,
    next_slot,
    open_slots,
)
from tests.fakes.vault import GivenSlot

MASTER = bytes(range(32))
ID = b"vault-one"


def slot(kind: GivenSlot, number: int = 1, *, label: str = "") -> SlotRow:
    where = SlotAddress(ID, number)
    return make_slot(kind, MASTER, where, label=label, created=5, nonce=bytes(12))


def test_each_slot_opens_to_the_same_key() -> None:
    first, second = GivenSlot(b"1" * 32), GivenSlot(b"2" * 32)
    rows = [slot(first, 1), slot(second, 2)]
    assert open_slots(first, ID, rows) == (MASTER, rows[0])
    assert open_slots(second, ID, rows) == (MASTER, rows[1])
    assert MASTER not in rows[0].wrapped
    assert next_slot(rows) == 3


def test_a_wrong_key_and_a_missing_slot_look_the_same() -> None:
    refusals = []
    for rows in ([slot(GivenSlot())], []):
        with pytest.raises(UnlockRefused) as refused:
            open_slots(GivenSlot(b"w" * 32), ID, rows)
        refusals.append((str(refused.value), refused.value.hint))
    assert refusals[0] == refusals[1]


@pytest.mark.parametrize(
    "change",
    [
        {"id": 2},
        {"label": "other"},
        {"created": 6},
        {"params": '{"any": 2}'},
        {"params": "{"},
        {"params": "[]"},
        {"params": "[" * 100_000},
        {"wrapped": b""},
    ],
    ids=str,
)
def test_an_edited_slot_opens_nothing(change: dict[str, Any]) -> None:
    kind = GivenSlot()
    with pytest.raises(UnlockRefused):
        open_slots(kind, ID, [slot(kind)._replace(**change)])
    with pytest.raises(UnlockRefused):
        open_slots(kind, b"vault-two", [slot(kind)])


def test_a_kind_that_refuses_a_slots_params_goes_on_to_the_next() -> None:
    class Picky(GivenSlot):
        def key(self, where: SlotAddress, params: Any) -> bytes:
            if where.slot == 1:
                raise SlotUnusable
            return super().key(where, params)

    kind = Picky()
    rows = [slot(kind, 1), slot(kind, 2)]
    assert open_slots(kind, ID, rows)[1] == rows[1]


def test_a_long_label_is_cut() -> None:
    assert slot(GivenSlot(), label="l" * 1000).label == "l" * MAX_LABEL
