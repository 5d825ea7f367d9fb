"""`devwiz-gw vault`: the encrypted store of machines without a desktop."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, add_commands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `vault`."""
    from gateway.cli import vault_slots

    commands = add_commands(parser)
    _add_init(commands)
    _add_unlock(commands)
    commands.add(
        "lock",
        summary="forget the key: programs get no secrets until the vault is unlocked again",
        examples=("devwiz-gw vault lock",),
        run=_lock,
    )
    status = commands.add(
        "status",
        summary="tell where the vault is, and whether it is unlocked",
        examples=("devwiz-gw vault status", "devwiz-gw vault status --json"),
        run=_status,
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    _add_check(commands)
    commands.add(
        "bind",
        summary="let this configuration use its project's secrets, after it was moved or copied",
        examples=("devwiz-gw vault bind", "devwiz-gw vault bind --config acme.toml"),
        run=_bind,
    )
    vault_slots.add_commands_of_slots(commands)


def _add_init(commands: Commands) -> None:
    from gateway.cli.vault_answers import add_passphrase_options
    from gateway.cli.vault_kinds import add_unlock_time

    making = commands.add(
        "init",
        summary="make a vault that a passphrase opens, and on a terminal a recovery code",
        examples=("devwiz-gw vault init", "devwiz-gw vault init --passphrase-fd 3 3< file"),
        run=_init,
    )
    add_passphrase_options(making)
    making.add_argument(
        "--no-recovery", action="store_true", help="make no recovery code; add one later"
    )
    add_unlock_time(making)


def _add_unlock(commands: Commands) -> None:
    from gateway.cli.vault_scope import add_opening_options

    unlocking = commands.add(
        "unlock",
        summary="unlock the vault for this user's programs, until it is locked or unused for long",
        examples=(
            "devwiz-gw vault unlock",
            "devwiz-gw vault unlock --with keychain",
            "devwiz-gw vault unlock --passphrase-fd 3 3< file",
            "devwiz-gw vault unlock --foreground",
        ),
        run=_unlock,
    )
    add_opening_options(unlocking)
    unlocking.add_argument(
        "--foreground",
        action="store_true",
        help="hold the key in this process, for a service manager",
    )


def _add_check(commands: Commands) -> None:
    from gateway.cli.vault_scope import add_opening_options

    checking = commands.add(
        "check",
        summary="see that the vault is whole, unchanged by others and not an older one",
        examples=("devwiz-gw vault check", "devwiz-gw vault check --accept"),
        run=_check,
    )
    add_opening_options(checking)
    checking.add_argument(
        "--accept",
        action="store_true",
        help="after a backup was restored: take the vault as it is for the newest",
    )


def _init(args: argparse.Namespace) -> int:
    from gateway.cli.vault_answers import Answers, NewAnswers, has_terminal, refuse_values
    from gateway.cli.vault_kinds import Making, slot_kind
    from gateway.cli.vault_scope import scope_of
    from identity.hardening import harden_process
    from identity.secret_stores.vault.opening import check_absent, make_vault

    refuse_values(args)
    harden_process()
    scope = scope_of(args)
    check_absent(scope.place)
    given, new = Answers(args, os.environ), NewAnswers(None)
    making = Making(new.show_code, args.unlock_time)
    typed = given.are_typed
    kinds = [(slot_kind("passphrase", new if typed else given, making), "")]
    recovery = typed and not args.no_recovery and has_terminal()
    if recovery:
        kinds.append((slot_kind("recovery", new, making), ""))
    make_vault(scope.place, kinds, now=time.time())
    output.note(f"the vault {scope.place.folder} is made; unlock it: devwiz-gw vault unlock")
    if not recovery:
        output.note(
            "without its passphrase it can't be opened by anybody: "
            "devwiz-gw vault slots add recovery"
        )
    return ExitCode.OK


def _unlock(args: argparse.Namespace) -> int:
    from gateway.cli.vault_scope import marks_in_keychain, on_record, open_vault, scope_of
    from gateway.cli.vault_touch import demand_touch_to_unlock
    from gateway.service.manager import ServiceManager
    from identity.errors import UnlockRefused, VaultLocked
    from identity.secret_stores.vault.agent import Order, serve
    from identity.secret_stores.vault.client import VaultClient
    from identity.secret_stores.vault.launch import launch
    from identity.secret_stores.vault.locked_memory import LockedMemory

    scope = scope_of(args)
    try:
        VaultClient(scope.place, asker=None).status()
    except VaultLocked:
        pass
    else:
        raise UnlockRefused(
            "the vault is unlocked already",
            hint="nothing is to be done; to unlock it by another slot: devwiz-gw vault lock first",
        )
    with on_record(scope, "vault.unlock", args.kind):
        opened = open_vault(args, scope)
        checked = opened.vault.check()
        demand_touch_to_unlock(args, scope, opened)
    _tell_unasked(checked.unasked)
    order = Order(
        place=scope.place,
        vault_id=opened.unlocked.vault_id,
        auto_lock_s=scope.auto_lock_s,
        mark_in_keychain=marks_in_keychain(checked.contents.slots),
        seen=checked.contents.mark(),
    )
    limit = (
        f"it locks after {output.duration(scope.auto_lock_s)} without use"
        if scope.auto_lock_s
        else "it stays so until 'devwiz-gw vault lock'"
    )
    said = f"the vault is unlocked; {limit}"
    if args.foreground:
        manager = ServiceManager.taken_from(os.environ, pid=os.getpid())

        def ready() -> None:
            output.note(said)
            manager.ready()

        serve(order, LockedMemory(opened.unlocked.master), ready)
        output.note("the vault is locked")
        return ExitCode.OK
    launch(order.message(opened.unlocked.master), os.environ)
    output.note(said)
    return ExitCode.OK


def _lock(args: argparse.Namespace) -> int:
    from gateway.cli.vault_scope import on_record, scope_of
    from identity.errors import VaultLocked
    from identity.secret_stores.vault.client import VaultClient

    scope = scope_of(args)
    try:
        VaultClient(scope.place, asker=None).lock()
    except VaultLocked:
        output.note("the vault was locked already")
        return ExitCode.OK
    output.note("the vault is locked")
    # Afterwards: nothing keeps a vault from being locked.
    with on_record(scope, "vault.lock"):
        pass
    return ExitCode.OK


def _status(args: argparse.Namespace) -> int:
    from gateway.cli.vault_scope import scope_of
    from identity.errors import VaultLocked
    from identity.secret_stores.vault.client import VaultClient

    scope = scope_of(args)
    try:
        found = VaultClient(scope.place, asker=None).status()
    except VaultLocked:
        found = {}
    state = "unlocked" if found else "locked"
    if args.json:
        output.document({"folder": str(scope.place.folder), "state": state, **found})
        return ExitCode.OK
    rows = [("folder", str(scope.place.folder)), ("state", state)]
    if found:
        auto = found["auto_lock_s"]
        rows.append(("locks", f"after {output.duration(auto)} without use" if auto else "never"))
    for line in output.pairs(rows):
        output.line(line)
    return ExitCode.OK


def _check(args: argparse.Namespace) -> int:
    from gateway.cli.vault_scope import checked_as_it_is, on_record, open_vault, scope_of

    scope = scope_of(args)
    found = None if args.accept else checked_as_it_is(args, scope)
    if found is None:
        opened = open_vault(args, scope)
        if args.accept:
            with on_record(scope, "vault.accept"):
                opened.vault.accept()
        found = opened.vault.check().facts()
    _tell_unasked(found["unasked"])
    output.line(
        f"the vault is whole: secrets {found['secrets']}, projects {found['projects']}, "
        f"slots {found['slots']}, state {found['epoch']}"
    )
    return ExitCode.OK


def _bind(args: argparse.Namespace) -> int:
    from gateway.cli.secret_bind import bind

    return bind(args, kind="vault")


def _tell_unasked(reasons: Iterable[str]) -> None:
    for reason in reasons:
        output.note(f"the vault's age was checked by its mark file only: {reason}")
