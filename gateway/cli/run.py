"""`devwiz-gw run`: a program with the secrets that its project's manifest allows."""

from __future__ import annotations

import argparse
import resource

from gateway.cli.begun_store import begun
from gateway.cli.parsers import UsageError
from gateway.cli.snapshot import snapshot_of
from gateway.injection.delivery import DELIVERIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    parser.add_argument(
        "--only",
        metavar="NAMES",
        type=_names,
        default=[],
        help="of the variables under [run.env] only these, separated by commas",
    )
    parser.add_argument(
        "--env",
        metavar="NAME=secret:x",
        action="append",
        default=[],
        dest="more",
        help="one more variable, with a secret that [run] allows; repeatable",
    )
    parser.add_argument(
        "--deliver",
        choices=DELIVERIES,
        default="env",
        help="env: in the variable. fd, fifo, file: in what NAME_FILE names, a descriptor, a FIFO "
        "or a private file, gone at the end (default: env)",
    )
    parser.add_argument(
        "--mask", action="store_true", help="hide the values in what the program writes"
    )
    parser.add_argument(
        "--pristine", action="store_true", help="give it nothing else of this environment"
    )
    parser.add_argument(
        "--keep",
        metavar="NAMES",
        type=_names,
        default=[],
        help="with --pristine: what to give it nevertheless, separated by commas",
    )
    parser.add_argument(
        "--on-rotate",
        metavar="HOW",
        help="when a secret of it gets a new value: restart, signal:HUP (INT, TERM, USR1, USR2) or "
        "leave (default: on_switch of its [rotate.NAME])",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the program and its words"
    )
    # Never another project than the one whose manifest allows it.
    parser.set_defaults(run=_run, project=None)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _run(args: argparse.Namespace) -> int:
    argv = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not argv:
        raise UsageError("no command is named", hint="devwiz-gw run -- COMMAND")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Read once: what was allowed, and whose touch it takes, is the same from here to the end.
    snapshot = snapshot_of(args, required=True)
    with begun(snapshot) as helper:
        # Imported while the keychain's process starts: a program is not to wait for both in turn.
        from gateway.cli.run_program import run_program

        return run_program(args, argv, snapshot, helper)
