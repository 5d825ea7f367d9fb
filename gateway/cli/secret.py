"""`devwiz-gw secret`: set, show, list and remove the secrets that routes refer to.

A value comes from a prompt, from standard input or from a file descriptor, and never from the
command line, where every process of the machine could read it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from gateway.audit.ending import ending_of
from gateway.audit.fingerprint import Fingerprints
from gateway.cli import output
from gateway.cli.agent_changes import approve_change
from gateway.cli.approval import AgentRefused
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError, add_commands
from gateway.cli.sealing import keep, keys_to_seal
from gateway.cli.secret_scope import Scope, opened
from gateway.cli.touch import Action, Gate
from gateway.cli.typed import read_secret
from identity.secret_stores.base import SecretRef, check_value, is_own

# Spellings that people try: they must not reach argparse's own error, which repeats the value.
_VALUE_OPTIONS: Final = ("-v", "--value", "--secret", "--token", "--password")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `secret`."""
    from gateway.cli.secret_bind import add_bindings
    from gateway.cli.secret_import import add_import

    commands = add_commands(parser)
    setting = commands.add(
        "set",
        summary="keep a value: asked for on a terminal, else read from standard input",
        examples=(
            "devwiz-gw secret set planner-token",
            "pass show planner | devwiz-gw secret set planner-token",
            "devwiz-gw secret set planner-token --from-fd 3 3< token.txt",
        ),
        run=_set,
    )
    _add_name(setting)
    setting.add_argument(
        "--from-fd", type=int, metavar="N", help="read the value from this file descriptor"
    )
    setting.add_argument(
        "--touch",
        action="store_true",
        help="seal it: it can be read with a touch of an enrolled security key only, so no route "
        "can attach it; stays so when it is set again",
    )
    setting.add_argument("on_command_line", nargs="*", help=argparse.SUPPRESS)
    setting.add_argument(*_VALUE_OPTIONS, dest="as_option", nargs="?", help=argparse.SUPPRESS)
    getting = commands.add(
        "get",
        summary="print a value, and nothing else, to a pipe or file",
        examples=(
            "devwiz-gw secret get planner-token | xclip",
            "devwiz-gw secret get planner-token --show",
        ),
        run=_get,
    )
    _add_name(getting)
    getting.add_argument("--show", action="store_true", help="print it even to a terminal")
    listing = commands.add(
        "list",
        summary="list names, never values: what is kept, and what routes wait for",
        examples=("devwiz-gw secret list", "devwiz-gw secret list --json"),
        run=_list,
    )
    _add_project(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")
    add_import(commands)
    removing = commands.add(
        "rm",
        summary="remove a secret",
        examples=("devwiz-gw secret rm planner-token",),
        run=_remove,
    )
    _add_name(removing)
    add_bindings(commands)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the name that {secret:NAME} refers to")
    _add_project(parser)


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", help="whose secret (default: the configuration's project)")


def _set(args: argparse.Namespace) -> int:
    if args.on_command_line or args.as_option is not None:
        raise UsageError(
            "a value is not taken from the command line",
            hint="other processes and the shell's history can read it there, so this value should "
            "be replaced; give the new one at the prompt, on standard input or with --from-fd",
        )
    with opened(args) as scope:
        ref = scope.ref(args.name)
        if args.touch:
            keys_to_seal(scope)  # ahead of the question: the value would be typed for nothing
        agent = approve_change(scope, (ref.name,), command="secret set", action="secret.write")
        value = read_secret(f"value of {ref}: ", from_fd=args.from_fd)
        check_value(value)
        with scope.journal.around("secret.write", name=ref.name, reason=agent):
            sealed = keep(scope, ref, value, seal=args.touch)
    output.note(f"{ref} is {'sealed' if sealed else 'set'}")
    return ExitCode.OK


def _get(args: argparse.Namespace) -> int:
    if sys.stdout.isatty() and not args.show:
        raise UsageError(
            "the value is not shown on a terminal",
            hint="pipe it to the program that needs it, or pass --show",
        )
    with opened(args) as scope:
        ref = scope.ref(args.name)
        action = Action(command="secret get", names=(ref.name,))
        gate = Gate(scope.store, scope.journal, scope.snapshot.policy(), action)
        agent = _approved(gate, scope, ref)
        with scope.journal.around("secret.read", name=ref.name, reason="secret get") as more:
            value = gate.read(ref)
            more["fingerprint"] = Fingerprints(scope.journal.path.parent).of(value.reveal())
            more["agent"] = agent
    ending = "\n" if sys.stdout.isatty() else ""
    output.write_bytes((value.reveal() + ending).encode())
    output.flush()
    return ExitCode.OK


def _approved(gate: Gate, scope: Scope, ref: SecretRef) -> str:
    try:
        return gate.approve(what=f"the value of {ref}")
    except AgentRefused as refused:
        scope.journal.record("secret.read", outcome="denied", name=ref.name, reason=str(refused))
        raise


def _list(args: argparse.Namespace) -> int:
    with opened(args) as scope:
        kept = [name for name in _names(scope) if not is_own(name)]
    names = sorted({*kept, *scope.routes})
    if args.json:
        secrets = [
            {"name": name, "kept": name in kept, "routes": scope.routes.get(name, [])}
            for name in names
        ]
        output.document({"project": scope.project, "store": scope.kind, "secrets": secrets})
        return ExitCode.OK
    if not names:
        output.note(f"project {scope.project} has no secrets")
        return ExitCode.OK
    rows = [
        (name, "kept" if name in kept else "missing", ", ".join(scope.routes.get(name, [])))
        for name in names
    ]
    for line in output.table(("NAME", "STATE", "ROUTES"), rows):
        output.line(line)
    return ExitCode.OK


def _names(scope: Scope) -> list[str]:
    """What the store lists, on record ahead of being shown; so is that it refused."""
    try:
        names = scope.store.names(scope.project)
    except Exception as error:
        outcome, why = ending_of(error)
        scope.journal.record("secret.list", outcome=outcome, reason=why)
        raise
    scope.journal.record("secret.list", outcome="ok")
    return names


def _remove(args: argparse.Namespace) -> int:
    with opened(args) as scope:
        ref = scope.ref(args.name)
        agent = approve_change(scope, (ref.name,), command="secret rm", action="secret.delete")
        with scope.journal.around("secret.delete", name=ref.name, reason=agent):
            scope.store.delete(ref)
    output.note(f"{ref} is removed")
    return ExitCode.OK
