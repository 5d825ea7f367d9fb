"""Making a vault, unlocking it, and changing its slots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from identity.errors import StoreUnavailable, UnlockRefused, VaultExists
from identity.private_folder import make_private
from identity.secret_stores.vault import database
from identity.secret_stores.vault.contents import Contents, SlotRow
from identity.secret_stores.vault.keys import KEY_BYTES, NONCE_BYTES, Keys
from identity.secret_stores.vault.marks import MarkFile
from identity.secret_stores.vault.place import Place, check_folder, check_private, locked
from identity.secret_stores.vault.slots import (
    MAX_SLOTS,
    SlotAddress,
    SlotKind,
    make_slot,
    next_slot,
    open_slots,
)
from identity.secret_stores.vault.vault import Vault

_ID_BYTES: Final = 16


class Unlocked(NamedTuple):
    """An open vault: its master key, its id, and the slot that opened it."""

    master: bytes
    vault_id: bytes
    slot: SlotRow

    def __repr__(self) -> str:
        return f"Unlocked(slot={self.slot.id})"

    def keys(self) -> Keys:
        """The keys that follow from the master key."""
        return Keys(self.master, self.vault_id)


def make_vault(place: Place, kinds: Sequence[tuple[SlotKind, str]], *, now: float) -> None:
    """Make an empty vault that each of `kinds`, with its label, opens.

    Raises:
        VaultExists: there is something already; it stays as it is.
        StoreUnavailable: the folder is not private, or can't be made.
        Fault: what a kind raises; nothing is made then.
    """
    try:
        make_private(place.folder)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {place.folder} can't be made: {(error.strerror or '').lower()}",
            hint="make it, or name another place with [secrets] vault",
        ) from error
    check_folder(place.folder)
    check_absent(place)
    vault_id, master = os.urandom(_ID_BYTES), os.urandom(KEY_BYTES)
    slots = tuple(
        make_slot(
            kind,
            master,
            SlotAddress(vault_id, number),
            label=label,
            created=int(now),
            nonce=os.urandom(NONCE_BYTES),
        )
        for number, (kind, label) in enumerate(kinds, start=1)
    )
    empty = Contents(vault_id=vault_id, epoch=1, seal=b"", slots=slots, projects=(), records=())
    keys = Keys(master, vault_id)
    mark = empty.mark()
    with locked(place):
        # The mark first: a vault without one would be refused.
        MarkFile(place.mark(vault_id)).write(mark.text(keys))
        database.create(place.database, replace(empty, seal=mark.seal(keys)))


def check_absent(place: Place) -> None:
    """Raises `VaultExists` when there is something where the vault would be."""
    if os.path.lexists(place.database):
        raise VaultExists(
            f"there is something at {place.database} already",
            hint="a vault is never written over; 'devwiz-gw vault check' says what it is",
        )


def read_slots(place: Place) -> tuple[SlotRow, ...]:
    """The slots as the file has them: they can be looked at while the vault is locked."""
    check_private(place)
    return database.read(place.database).slots


def unlock(place: Place, kind: SlotKind, *, only: int | None = None) -> Unlocked:
    """The master key, by a slot of `kind`: any, or the one numbered `only`.

    Nothing is known yet of the vault's wholeness and age: see `Vault.check`.

    Raises:
        UnlockRefused: no slot opened.
        Fault: what the kind raises.
    """
    check_private(place)
    contents = database.read(place.database)
    rows = [row for row in contents.slots if only in {None, row.id}]
    master, row = open_slots(kind, contents.vault_id, rows)
    return Unlocked(master, contents.vault_id, row)


def add_slot(
    vault: Vault, opened: Unlocked, kind: SlotKind, *, label: str, now: float, instead_of: int = 0
) -> SlotRow:
    """Add a slot, in the place of the one numbered `instead_of`, if given.

    Raises:
        UnlockRefused: there are as many as there can be.
        Fault: what the kind raises; the slots are as they were.
    """
    before = vault.check().contents.slots
    kept = [row for row in before if row.id != instead_of]
    if len(kept) >= MAX_SLOTS:
        raise UnlockRefused(f"a vault has {MAX_SLOTS} slots at most", hint="remove one first")
    row = make_slot(
        kind,
        opened.master,
        SlotAddress(opened.vault_id, next_slot(before)),
        label=label,
        created=int(now),
        nonce=os.urandom(NONCE_BYTES),
    )
    _replace(vault, before, [*kept, row])
    return row


def remove_slot(vault: Vault, number: int) -> SlotRow:
    """Remove the slot `number`.

    Raises:
        UnlockRefused: there is no such slot, or it is the last one.
    """
    before = vault.check().contents.slots
    gone = next((row for row in before if row.id == number), None)
    if gone is None:
        raise UnlockRefused(
            f"there is no slot {number}", hint="'devwiz-gw vault slots list' shows those there are"
        )
    if len(before) == 1:
        raise UnlockRefused(
            "the last slot is not removed", hint="nothing would open the vault; add another first"
        )
    _replace(vault, before, [row for row in before if row is not gone])
    return gone


def _replace(vault: Vault, before: Sequence[SlotRow], after: Sequence[SlotRow]) -> None:
    with vault.changing_slots() as (contents, change):
        if contents.slots != tuple(before):
            raise StoreUnavailable("the vault's slots were changed meanwhile", hint="try again")
        change.replace_slots(after)
