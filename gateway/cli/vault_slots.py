"""`devwiz-gw vault slots` and `vault passwd`: the ways to open a vault."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, UsageError
from gateway.cli.security_key import add_mode, wanted_mode
from gateway.cli.vault_answers import NewAnswers
from gateway.cli.vault_kinds import KIND_NAMES, Making, add_unlock_time, slot_kind
from gateway.cli.vault_scope import (
    Opened,
    add_opening_options,
    far_marks,
    on_record,
    open_vault,
    scope_of,
)
from identity.fault import Fault
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.opening import add_slot, read_slots, remove_slot
from identity.secret_stores.vault.slots import SlotAddress
from identity.secret_stores.vault.vault import Vault


def add_commands_of_slots(commands: Commands) -> None:
    """Add `slots` and `passwd`."""
    slots = commands.group(
        "slots",
        summary="show, add and remove the ways to open the vault",
        examples=("devwiz-gw vault slots list", "devwiz-gw vault slots add recovery"),
    )
    listing = slots.add(
        "list",
        summary="list the slots; the vault may be locked",
        examples=("devwiz-gw vault slots list", "devwiz-gw vault slots list --json"),
        run=_list,
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    _add_add(slots)
    removing = slots.add(
        "remove",
        summary="remove a way to open the vault; the last one stays",
        examples=("devwiz-gw vault slots remove 2",),
        run=_remove,
    )
    removing.add_argument("number", type=int, metavar="N", help="its number, as 'list' shows it")
    add_opening_options(removing)
    changing = commands.add(
        "passwd",
        summary="change the passphrase; the recovery code may stand in for the old one",
        examples=("devwiz-gw vault passwd", "devwiz-gw vault passwd --with recovery"),
        run=_change_passphrase,
    )
    add_opening_options(changing, new=True)
    add_unlock_time(changing)


def _add_add(slots: Commands) -> None:
    adding = slots.add(
        "add",
        summary="add a way to open the vault, which must be opened for it",
        examples=(
            "devwiz-gw vault slots add recovery",
            "devwiz-gw vault slots add keychain",
            "devwiz-gw vault slots add fido2 --label blue",
            "devwiz-gw vault slots add passphrase --label laptop",
        ),
        run=_add,
    )
    adding.add_argument(
        "new_kind", metavar="KIND", choices=KIND_NAMES, help=f"one of {', '.join(KIND_NAMES)}"
    )
    add_mode(adding)
    adding.add_argument("--label", default="", metavar="TEXT", help="what it is, for your memory")
    add_opening_options(adding, new=True)
    add_unlock_time(adding)


def _list(args: argparse.Namespace) -> int:
    slots = read_slots(scope_of(args).place)
    if args.json:
        output.document(
            {
                "slots": [
                    {"slot": row.id, "kind": row.kind, "label": row.label, "made": _day(row)}
                    for row in slots
                ]
            }
        )
        return ExitCode.OK
    rows = [(str(row.id), row.kind, _day(row), row.label) for row in slots]
    for line in output.table(("SLOT", "KIND", "MADE", "LABEL"), rows):
        output.line(line)
    return ExitCode.OK


def _add(args: argparse.Namespace) -> int:
    scope = scope_of(args)
    with on_record(scope, "vault.slot.add", args.new_kind):
        opened = open_vault(args, scope)
        row = _add_slot(args, opened, args.new_kind, label=args.label)
    output.note(f"slot {row.id} of the kind {row.kind} opens the vault now")
    if row.kind == "keychain":
        _mark_in_keychain(args, opened)
    return ExitCode.OK


def _remove(args: argparse.Namespace) -> int:
    scope = scope_of(args)
    with on_record(scope, "vault.slot.remove", str(args.number)):
        opened = open_vault(args, scope)
        row = remove_slot(opened.vault, args.number)
    output.note(f"slot {row.id} of the kind {row.kind} opens the vault no more")
    try:
        if row.kind == "fido2":
            return ExitCode.OK  # nothing is kept of it elsewhere, and it isn't to be at hand
        kind = slot_kind(row.kind, NewAnswers(None))
        kind.forget(SlotAddress(opened.unlocked.vault_id, row.id))
    except Fault as error:
        output.note(f"what was kept of it elsewhere is still there: {error}")
    return ExitCode.OK


def _change_passphrase(args: argparse.Namespace) -> int:
    scope = scope_of(args)
    with on_record(scope, "vault.passwd", args.kind):
        opened = open_vault(args, scope)
        old = opened.unlocked.slot
        if old.kind != "passphrase":
            old = _only_passphrase(opened.vault.check().contents.slots)
        _add_slot(args, opened, "passphrase", label=old.label, instead_of=old.id)
    output.note(
        "the passphrase is changed; whoever has an older copy of the vault can open that one "
        "with the old passphrase"
    )
    return ExitCode.OK


def _only_passphrase(slots: tuple[SlotRow, ...]) -> SlotRow:
    passphrases = [row for row in slots if row.kind == "passphrase"]
    if len(passphrases) != 1:
        raise UsageError(
            f"the vault has {len(passphrases)} passphrases: which one is changed?",
            hint="use 'devwiz-gw vault slots add passphrase' and 'slots remove N'",
        )
    return passphrases[0]


def _add_slot(
    args: argparse.Namespace, opened: Opened, name: str, *, label: str, instead_of: int = 0
) -> SlotRow:
    new = NewAnswers(args.new_passphrase_fd)
    making = Making(new.show_code, args.unlock_time, wanted_mode(args))
    kind = slot_kind(name, new, making, rows=read_slots(scope_of(args).place))
    return add_slot(
        opened.vault, opened.unlocked, kind, label=label, now=time.time(), instead_of=instead_of
    )


def _mark_in_keychain(args: argparse.Namespace, opened: Opened) -> None:
    """From now on the keychain knows the vault's last state, too."""
    place = scope_of(args).place
    keys = opened.unlocked.keys()
    far = far_marks(read_slots(place), opened.unlocked)
    for reason in Vault(place, lambda: keys, far=far).check().unasked:
        output.note(f"its last state could not be marked in the keychain: {reason}")


def _day(row: SlotRow) -> str:
    try:
        return datetime.fromtimestamp(row.created, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
