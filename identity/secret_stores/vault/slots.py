"""Slots: the ways to get at the master key. Each kind is a class; none is known here. Pure.

A kind gives each slot a key. The key closes a box with the master key in it, bound to all that
stands in the slot's row, so that an edited row opens nothing. To add a kind, write a class with the
methods of `SlotKind` and name it where the commands choose: `gateway.cli.vault_kinds`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from identity.errors import UnlockRefused
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.keys import (
    FORMAT,
    BoxDamaged,
    close_box,
    derive,
    fields,
    number,
    open_box,
)

#: More ways than anybody needs; each may cost an unlocker the work of one passphrase.
MAX_SLOTS: Final = 16
MAX_LABEL: Final = 64


class SlotAddress(NamedTuple):
    """Which slot of which vault: what a kind binds its key to."""

    vault_id: bytes
    slot: int

    def __str__(self) -> str:
        return f"{self.vault_id.hex()}-{self.slot}"


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """A fresh slot's key, and what has to be kept, in the clear, to get that key again."""

    key: bytes
    params: Mapping[str, Any]


class SlotKind(Protocol):
    """One kind of slot. It may ask a person, and may block for as long as that takes."""

    @property
    def name(self) -> str:
        """What the kind is called in a slot's row and at the command line."""
        ...

    def enrol(self, where: SlotAddress) -> Enrolment:
        """The key for a slot that is about to be made. Raises a `Fault` when none comes about."""
        ...

    def key(self, where: SlotAddress, params: Mapping[str, Any]) -> bytes:
        """The key of a slot. It may be a wrong one, say for a mistyped passphrase.

        Raises:
            SlotUnusable: `params` are not what `enrol` gave: outside of their bounds, or damaged.
            Fault: no key comes about: nobody answered, the device is not there.
        """
        ...

    def forget(self, where: SlotAddress) -> None:
        """Remove what the kind keeps of a slot elsewhere; the slot is gone from the vault."""
        ...


class SlotUnusable(Exception):
    """A slot's parameters are not used: they are damaged, or outside of their bounds."""


def make_slot(
    kind: SlotKind, master: bytes, where: SlotAddress, *, label: str, created: int, nonce: bytes
) -> SlotRow:
    """The row of a new slot that opens to `master`."""
    enrolment = kind.enrol(where)
    params = json.dumps(enrolment.params, sort_keys=True)
    row = SlotRow(where.slot, kind.name, label[:MAX_LABEL], created, params, b"")
    box = close_box(_box_key(enrolment.key, where), master, _purpose(where, row), nonce=nonce)
    return row._replace(wrapped=box)


def open_slots(kind: SlotKind, vault_id: bytes, rows: Sequence[SlotRow]) -> tuple[bytes, SlotRow]:
    """The master key, by the first of `rows` that `kind` opens.

    Raises:
        UnlockRefused: none did. The text is the same whatever was wrong.
    """
    for row in rows[:MAX_SLOTS]:
        if row.kind == kind.name:
            where = SlotAddress(vault_id, row.id)
            try:
                key = kind.key(where, params_of(row))
                return open_box(_box_key(key, where), row.wrapped, _purpose(where, row)), row
            except (BoxDamaged, SlotUnusable):
                continue
    raise UnlockRefused(
        "the vault was not unlocked",
        hint=f"no slot of the kind {kind.name!r} opened with what was given: was it mistyped? "
        "'devwiz-gw vault slots list' shows which there are",
    )


def next_slot(rows: Sequence[SlotRow]) -> int:
    """A number for a new slot."""
    return max((row.id for row in rows), default=0) + 1


def params_of(row: SlotRow) -> Mapping[str, Any]:
    """What the kind kept in a row. Raises `SlotUnusable`."""
    try:
        params = json.loads(row.params)
    except (ValueError, RecursionError):
        raise SlotUnusable from None
    if not isinstance(params, dict):
        raise SlotUnusable
    return params


def _box_key(key: bytes, where: SlotAddress) -> bytes:
    return derive(key, where.vault_id, b"slot", number(where.slot))


def _purpose(where: SlotAddress, row: SlotRow) -> bytes:
    texts = (row.kind.encode(), row.label.encode(), number(row.created), row.params.encode())
    return fields(FORMAT, b"slot", where.vault_id, number(where.slot), *texts)
