"""`devwiz-gw run`: a program with the secrets that its project's manifest allows."""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.audit.files import journal_path
from gateway.cli.parsers import UsageError
from gateway.cli.released import released
from gateway.cli.run_rotating import RotatingRun, policies
from gateway.cli.secret_scope import opened_by
from gateway.cli.snapshot import snapshot_of
from gateway.config.model import InjectedVariable, RunConfig
from gateway.injection import child, delivery, plan
from gateway.rotation.watch import Watch

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
    project = snapshot.project
    chosen = _chosen(args, snapshot.manifest(), project)
    parts: set[str] = set()

    def values() -> dict[str, str]:
        with opened_by(snapshot) as scope:
            program = Path(argv[0]).name
            found = released(
                scope, chosen, program=program, delivery=args.deliver, argv=argv, parts=parts
            )
        if args.deliver == "env":
            plan.check_fits(found)
        return found

    base = plan.base_environment(os.environ, pristine=args.pristine, keep=args.keep)
    base[SESSION] = f"{project}:{os.getpid()}"

    def execute(found: Mapping[str, str], folder: Path | None) -> int:
        hidden = {*found.values(), *parts} if args.mask else set()
        return _execute(argv, dict(found), base, args.deliver, folder, hidden=hidden)

    names = [name for item in chosen for name in item.value_names]
    wanted = policies(snapshot, names, said=args.on_rotate)
    try:
        if wanted:
            # Before the values are read, so that no switch is missed.
            watch = Watch(journal_path(project, os.environ).parent, wanted)
            run = RotatingRun(watch, wanted, values, partial(_folder, args))
            return child.end_like(run.run(values(), execute))
        found = values()
        with _folder(args) as folder:
            status = execute(found, folder)
        return child.end_like(status)
    except child.CommandFailed as error:
        from gateway.cli import output

        output.fault(error)
        return error.code


def _chosen(
    args: argparse.Namespace, manifest: RunConfig, project: str
) -> tuple[InjectedVariable, ...]:
    chosen = plan.chosen(manifest, only=args.only, more=args.more, project=project)
    if args.deliver != "env":
        plan.check_delivered((item.name + delivery.SUFFIX for item in chosen), manifest.dangerous)
    return chosen


@contextmanager
def _folder(args: argparse.Namespace) -> Iterator[Path | None]:
    """A private folder, where values are delivered by files."""
    from gateway.injection.run_folder import base_folder, run_folder, sweep_own

    sweep_own(os.environ)
    if args.deliver not in ("fifo", "file"):
        yield None
        return
    with run_folder(base_folder(os.environ)) as folder:
        yield folder


def _execute(
    argv: Sequence[str],
    values: dict[str, str],
    base: Mapping[str, str],
    way: str,
    folder: Path | None,
    *,
    hidden: Collection[str],
) -> int:
    """The wait status; where nothing needs a parent this process becomes the program. `hidden` is
    what its output must not show.
    """
    if folder is not None:
        by = delivery.by_file if way == "file" else delivery.by_fifo
        fifos = folder if way == "fifo" else None
        delivered = by(values, folder)
        return _supervised(argv, values, delivered, base, hidden=hidden, fifos=fifos)
    delivered = delivery.in_environment(values) if way == "env" else delivery.by_descriptor(values)
    if not hidden:
        child.become(argv, {**base, **delivered.env})
    return _supervised(argv, values, delivered, base, hidden=hidden, fifos=None)


def _supervised(
    argv: Sequence[str],
    values: dict[str, str],
    delivered: Delivered,
    base: Mapping[str, str],
    *,
    hidden: Collection[str],
    fifos: Path | None,
) -> int:
    env = {**base, **delivered.env}

    def begun() -> None:
        if fifos is not None:
            delivery.serve_fifos(values, fifos)

    if hidden:
        from gateway.injection.masked import MaskedRun

        return MaskedRun(sorted(hidden), begun).run(argv, delivered, env)
    child.block_signals()
    pid = child.start(argv, delivered, env)
    begun()
    return child.wait(pid)
