"""`devwiz-gw service`: have the gateway, or an issuer, run by the machine's service manager."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import add_commands
from identity.private_folder import make_private

if TYPE_CHECKING:
    from gateway.cli.service_plan import Plan
    from gateway.service.unit_files import FileChange

_NAMED: Final = "that has the name NAME (default: devwiz-gw-PROJECT, or devwiz-gw-issuer)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's commands."""
    commands = add_commands(parser)
    shown = commands.add(
        "print",
        summary="show the service's files, and write nothing",
        examples=("devwiz-gw service print", "devwiz-gw service print --system --run-as gateway"),
        run=_print,
    )
    _add_options(shown)
    install = commands.add(
        "install",
        summary="write the service's files, or write them anew, and have it started by itself",
        examples=(
            "devwiz-gw service install",
            "devwiz-gw service install --dry-run",
            "devwiz-gw service install --socket-activation",
            "devwiz-gw service install --system --vault-credential /etc/devwiz-gw/vault.cred",
            "devwiz-gw service install --system --issuer /var/lib/devwiz-gw/issuer",
        ),
        run=_install,
    )
    _add_options(install)
    install.add_argument("--dry-run", action="store_true", help="only show what would change")
    install.add_argument(
        "--force", action="store_true", help="replace files that this command didn't write"
    )
    remove = commands.add(
        "remove",
        summary="stop the service and remove its files",
        examples=("devwiz-gw service remove", "devwiz-gw service remove --name devwiz-gw-acme"),
        run=_remove,
    )
    _add_choice(remove)
    remove.add_argument("--dry-run", action="store_true", help="only show what would change")
    remove.add_argument(
        "--force", action="store_true", help="remove files that this command didn't write"
    )
    for name, summary in (
        ("start", "start the service"),
        ("stop", "let the service finish its work and stop"),
        ("status", "show whether the service runs, and what it says of itself"),
    ):
        command = commands.add(
            name, summary=summary, examples=(f"devwiz-gw service {name}",), run=_steer
        )
        _add_choice(command)
        command.set_defaults(steer=name)
        if name == "status":
            command.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--system",
        action="store_true",
        help="a service of the machine, which runs without anybody logged in (default: one of your "
        "user's)",
    )
    parser.add_argument("--name", metavar="NAME", help=f"the service {_NAMED}")
    parser.add_argument(
        "--issuer", type=Path, metavar="DIR", help="the service of the issuer in this folder"
    )
    parser.add_argument(
        "--manager",
        choices=("systemd", "launchd"),
        help="the service manager (default: launchd on macOS, else systemd)",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser)
    parser.add_argument(
        "--run-as",
        metavar="USER",
        help="with --system: the user that it runs as (default: devwiz-gw)",
    )
    parser.add_argument(
        "--socket-activation",
        action="store_true",
        help="systemd listens for the routes, and starts the gateway when somebody connects",
    )
    parser.add_argument(
        "--vault-credential",
        type=Path,
        metavar="FILE",
        help="unlock the vault by the passphrase in this file, which `systemd-creds encrypt "
        "--name=devwiz-gw-vault` made",
    )
    parser.add_argument("--listen", metavar="IP:PORT", help="with --issuer: where it listens")


def _print(args: argparse.Namespace) -> int:
    from gateway.cli.service_plan import plan

    made = plan(args)
    for number, (name, text) in enumerate(made.texts.items()):
        if len(made.texts) > 1:
            output.line(("\n" if number else "") + f"# {made.folder / name}")
        output.line(text.decode().rstrip("\n"))
    return ExitCode.OK


def _install(args: argparse.Namespace) -> int:
    from gateway.cli.service_plan import file_names, plan
    from gateway.cli.service_steering import check, steering
    from gateway.service.unit_files import changes

    made = plan(args)
    check(made)
    names = file_names(made.manager, made.spec.name)
    wanted = {name: made.texts.get(name) for name in names}
    found = changes(made.folder, wanted, is_ours=made.is_ours, force=args.force)
    if args.dry_run:
        return _show(found)
    for folder in made.make:
        make_private(folder)
    service = steering(made.manager, made.spec.name, made.folder, is_system=args.system)
    service.before(found)
    for change in found:
        change.apply()
        # Said at once: it stays, even where the manager can't be reached in the next step.
        output.line(f"{'wrote' if change.after is not None else 'removed'} {change.path}")
    service.installed(made.enabled, changed=bool(found))
    _tell_installed(made, changed=bool(found))
    return ExitCode.OK


def _show(found: list[FileChange]) -> int:
    if not found:
        output.note("nothing would change")
    for change in found:
        for line in change.difference():
            output.line(output.printable(line))
    return ExitCode.OK


def _tell_installed(made: Plan, *, changed: bool) -> None:
    from gateway.cli.service_steering import advice

    if not changed:
        output.line(f"{made.spec.name} is installed already, as it is to be")
    for text in advice(made):
        output.note(text)


def _remove(args: argparse.Namespace) -> int:
    import os

    from gateway.cli.service_plan import file_names, folder_of, manager_of, name_of, ours
    from gateway.cli.service_steering import steering
    from gateway.service.unit_files import changes

    manager, name = manager_of(args), name_of(args)
    folder = folder_of(manager, is_system=args.system, env=os.environ)
    wanted = dict.fromkeys(file_names(manager, name))
    found = changes(folder, wanted, is_ours=ours(manager), force=args.force)
    if args.dry_run:
        return _show(found)
    service = steering(manager, name, folder, is_system=args.system)
    service.before(found)
    for change in found:
        change.apply()
        output.line(f"removed {change.path}")
    if found:
        service.removed()
    else:
        output.line(f"there is no service {name} in {folder}")
    return ExitCode.OK


def _steer(args: argparse.Namespace) -> int:
    import os

    from gateway.cli.service_plan import folder_of, manager_of, name_of
    from gateway.cli.service_steering import steering

    manager, name = manager_of(args), name_of(args)
    folder = folder_of(manager, is_system=args.system, env=os.environ)
    service = steering(manager, name, folder, is_system=args.system)
    if args.steer == "start":
        service.start()
        output.line(f"{name} has started")
        return ExitCode.OK
    if args.steer == "stop":
        service.stop()
        output.line(f"{name} has stopped")
        return ExitCode.OK
    facts = service.status()
    if args.json:
        output.document({"service": name, **facts})
    else:
        for line in output.pairs([("service", name), *facts.items()]):
            output.line(line)
    codes = {"active": ExitCode.OK, "reloading": ExitCode.OK, "failed": ExitCode.FAILED}
    return codes.get(facts["state"], ExitCode.NOT_RUNNING)
