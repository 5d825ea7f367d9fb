"""Which vault a command is about, and how it is opened for one."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.audit.files import journal_path
from gateway.audit.journal import Journal
from gateway.cli.snapshot import Snapshot, snapshot_of
from gateway.cli.vault_answers import Answers, add_passphrase_options, refuse_values
from gateway.cli.vault_kinds import KIND_NAMES, slot_kind
from gateway.config.model import SecretsConfig
from identity.errors import VaultLocked
from identity.hardening import harden_process
from identity.secret_stores.base import check_project
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from identity.secret_stores.vault.attempts import attempt
from identity.secret_stores.vault.client import VaultClient
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.marks import MarkInKeychain, MarkKeeper
from identity.secret_stores.vault.opening import Unlocked, read_slots, unlock
from identity.secret_stores.vault.place import Place, find_place
from identity.secret_stores.vault.vault import Vault

_DAY_S: Final = 86_400.0


class Scope(NamedTuple):
    """The vault that is meant, and how long it may be unlocked without use."""

    place: Place
    auto_lock_s: float
    config: Path | None
    project: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Opened:
    """A vault that this command opened, for itself."""

    unlocked: Unlocked
    vault: Vault


def scope_of(args: argparse.Namespace) -> Scope:
    """The vault of the configuration, or the user's own."""
    found = snapshot_of(args, required=False)
    folder = found.secrets_folder if found.store == "vault" else None
    place = find_place(folder, os.environ)
    return Scope(place, _auto_lock_s(found.raw), found.path, found.own, found)


def _auto_lock_s(raw: Mapping[str, object]) -> float:
    secrets = raw.get("secrets")
    value = secrets.get("auto_lock_s") if isinstance(secrets, dict) else None
    if isinstance(value, int | float) and 0 <= value <= 30 * _DAY_S:
        return float(value)
    return SecretsConfig().auto_lock_s


@contextmanager
def on_record(scope: Scope, action: str, name: str = "") -> Iterator[None]:
    """Do something that the audit journal tells of, of the configuration's project or of "vault".

    Raises:
        AuditFailed: it can't be written; nothing was done.
    """
    project = scope.project or "vault"
    check_project(project)
    with Journal(journal_path(project, os.environ), project=project).around(action, name=name):
        yield


def add_opening_options(parser: argparse.ArgumentParser, *, new: bool = False) -> None:
    """Add the options that say how the vault is opened."""
    parser.add_argument(
        "--with",
        dest="kind",
        metavar="KIND",
        choices=KIND_NAMES,
        default="passphrase",
        help=f"the kind of slot to open it by: {', '.join(KIND_NAMES)} (default: passphrase)",
    )
    parser.add_argument("--slot", type=int, metavar="N", help="open it by this slot only")
    add_passphrase_options(parser, new=new)


def open_vault(args: argparse.Namespace, scope: Scope) -> Opened:
    """Open the vault by what the command was told.

    Raises:
        UnlockRefused: it doesn't open, or it is too soon for another attempt.
        Fault: the vault can't be read, or a slot's kind can't be asked.
    """
    refuse_values(args)
    harden_process()
    slots = read_slots(scope.place)
    answers = Answers(args, os.environ)
    if args.kind == "passphrase":
        answers.passphrase()  # while nobody else is kept waiting
    elif args.kind == "recovery":
        answers.recovery_code()
    kind = slot_kind(args.kind, answers, rows=[row for row in slots if args.slot in {None, row.id}])
    with attempt(scope.place.attempts, time.time):
        unlocked = unlock(scope.place, kind, only=args.slot)
    keys = unlocked.keys()
    return Opened(unlocked, Vault(scope.place, lambda: keys, far=far_marks(slots, unlocked)))


def checked_as_it_is(args: argparse.Namespace, scope: Scope) -> dict[str, Any] | None:
    """What the process that has the vault unlocked finds of it, so that nothing has to be typed;
    None where there is no such process, or the command says what to open the vault by.

    Raises:
        VaultDamaged, VaultRolledBack, StoreUnavailable: the vault isn't as it should be.
    """
    refuse_values(args)
    if args.kind != "passphrase" or args.slot is not None or args.passphrase_fd is not None:
        return None
    try:
        return VaultClient(scope.place, asker=None).check()
    except VaultLocked:
        return None


def far_marks(slots: tuple[SlotRow, ...], unlocked: Unlocked) -> tuple[MarkKeeper, ...]:
    """Where the vault's state is marked beside the file: the keychain, if it opens the vault."""
    if not marks_in_keychain(slots):
        return ()
    keychain = Keychain(KeychainHelper(os.environ), area="vault", may_prompt=False)
    return (MarkInKeychain(keychain, unlocked.vault_id),)


def marks_in_keychain(slots: tuple[SlotRow, ...]) -> bool:
    """Whether the keychain is this vault's business."""
    return any(row.kind == "keychain" for row in slots)
