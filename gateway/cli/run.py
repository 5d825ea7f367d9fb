"""`devwiz-gw run`: a program with the secrets that its project's manifest allows."""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.parsers import UsageError
from gateway.cli.released import released
from gateway.cli.secret_scope import manifest_of, opened
from gateway.injection import child, delivery, plan

if TYPE_CHECKING:
    from gateway.injection.delivery import Delivered

#: A variable that tells programs, and commands of ours inside of them, what they were given.
SESSION: Final = "DEVWIZ_GW_RUN"


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
        choices=delivery.DELIVERIES,
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
    parser.add_argument("--project", help=argparse.SUPPRESS)
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the program and its words"
    )
    parser.set_defaults(run=_run)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _run(args: argparse.Namespace) -> int:
    argv = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not argv:
        raise UsageError("no command is named", hint="devwiz-gw run -- COMMAND")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    manifest = manifest_of(args)
    with opened(args) as scope:
        chosen = plan.chosen(manifest, only=args.only, more=args.more, project=scope.project)
        program = Path(argv[0]).name
        values = released(
            scope, chosen, program=program, delivery=args.deliver, args=args, argv=argv
        )
        if args.deliver == "env":
            plan.check_fits(values)
    base = plan.base_environment(os.environ, pristine=args.pristine, keep=args.keep)
    session = {SESSION: f"{scope.project}:{os.getpid()}"}
    try:
        return _execute(argv, values, base | session, args)
    except child.CommandFailed as error:
        from gateway.cli import output

        output.fault(error)
        return error.code


def _execute(
    argv: Sequence[str], values: dict[str, str], base: Mapping[str, str], args: argparse.Namespace
) -> int:
    if args.deliver in ("fifo", "file"):
        from gateway.injection.run_folder import base_folder, run_folder, sweep

        folders = base_folder(os.environ)
        sweep(folders)
        with run_folder(folders) as folder:
            by = delivery.by_file if args.deliver == "file" else delivery.by_fifo
            delivered = by(values, folder)
            fifos = folder if args.deliver == "fifo" else None
            status = _supervised(argv, values, delivered, base, mask=args.mask, fifos=fifos)
        return child.end_like(status)
    delivered = (
        delivery.in_environment(values) if args.deliver == "env" else delivery.by_descriptor(values)
    )
    if not args.mask:
        child.become(argv, {**base, **delivered.env})
    return child.end_like(_supervised(argv, values, delivered, base, mask=True, fifos=None))


def _supervised(
    argv: Sequence[str],
    values: dict[str, str],
    delivered: Delivered,
    base: Mapping[str, str],
    *,
    mask: bool,
    fifos: Path | None,
) -> int:
    env = {**base, **delivered.env}

    def begun() -> None:
        if fifos is not None:
            delivery.serve_fifos(values, fifos)

    if mask:
        from gateway.injection.masked import MaskedRun

        return MaskedRun(list(values.values()), begun).run(argv, delivered, env)
    child.block_signals()
    pid = child.start(argv, delivered, env)
    begun()
    return child.wait(pid)
