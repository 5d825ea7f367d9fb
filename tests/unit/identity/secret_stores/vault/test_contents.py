"""`identity.secret_stores.vault.contents`: whatever is changed is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from identity.secret_stores.vault.contents import (
    Contents,
    Mark,
    ProjectRow,
    RecordRow,
    SlotRow,
    is_older,
    is_sealed,
    read_mark,
)
from identity.secret_stores.vault.keys import Keys

KEYS = Keys(bytes(range(32)), b"vault-one")
SLOT = SlotRow(1, "passphrase", "", 5, "{}", b"wrapped")
RECORD = RecordRow(b"p", b"n", 3, 0, b"label", b"box")
OTHER = RecordRow(b"p", b"o", 4, 0, b"label", b"box")
PROJECT = ProjectRow(b"p", b"box")
OPEN = Contents(
    vault_id=b"vault-one",
    epoch=4,
    seal=b"",
    slots=(SLOT,),
    projects=(PROJECT,),
    records=(RECORD, OTHER),
)
WHOLE = replace(OPEN, seal=OPEN.mark().seal(KEYS))


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 5},
        {"slots": ()},
        {"slots": (SLOT._replace(label="other"),)},
        {"slots": (SLOT._replace(created=6),)},
        {"projects": ()},
        {"records": (RECORD,)},
        {"records": (OTHER, RECORD)},
        {"records": (RECORD, OTHER._replace(box=b"older"))},
        {"records": (RECORD._replace(box=OTHER.box), OTHER._replace(version=5))},
        {"seal": bytes(32)},
    ],
)
def test_any_change_breaks_the_seal(change: dict[str, object]) -> None:
    assert is_sealed(WHOLE, KEYS)
    assert not is_sealed(replace(WHOLE, **change), KEYS)  # type: ignore[arg-type]


def test_a_row_does_not_pass_for_another_tables() -> None:
    moved = replace(WHOLE, projects=(PROJECT, ProjectRow(b"q", b"b")))
    assert moved.root() != WHOLE.root()


def test_an_older_state_is_older_and_another_of_the_same_age_too() -> None:
    mark = WHOLE.mark()
    assert not is_older(WHOLE, mark)
    assert not is_older(replace(WHOLE, epoch=5), mark)
    assert is_older(replace(WHOLE, epoch=3), mark)
    assert is_older(replace(WHOLE, records=(RECORD,)), mark)


def test_a_mark_is_read_by_its_own_vault_only() -> None:
    text = WHOLE.mark().text(KEYS)
    assert read_mark(text, KEYS) == WHOLE.mark()
    assert read_mark(text + "\n", KEYS) == WHOLE.mark()
    assert read_mark(text, Keys(bytes(range(32)), b"vault-two")) is None


@pytest.mark.parametrize("text", ["", "1 4", "1 x y z", "1 -4 00 00", "2 4 00 00", "1 4 zz 00"])
def test_what_is_no_mark_is_none(text: str) -> None:
    assert read_mark(text, KEYS) is None


def test_a_mark_with_another_epoch_is_none() -> None:
    text = WHOLE.mark().text(KEYS).split()
    for epoch in ("3", "04", "99999999999999999999999"):
        assert read_mark(" ".join([text[0], epoch, *text[2:]]), KEYS) is None
    assert read_mark(Mark(3, WHOLE.root()).text(KEYS), KEYS) == Mark(3, WHOLE.root())
