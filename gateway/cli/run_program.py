"""What `run` does: the values for a program, and the program with them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.audit.files import journal_path
from gateway.cli import output
from gateway.cli.released import released
from gateway.cli.run_rotating import RotatingRun, policies
from gateway.cli.secret_scope import opened_with
from gateway.injection import child, delivery, plan
from gateway.injection.run_folder import base_folder, run_folder, sweep_own
from gateway.rotation.watch import Watch

if TYPE_CHECKING:
    from gateway.cli.snapshot import Snapshot
    from gateway.config.run_model import InjectedVariable, RunConfig
    from gateway.injection.delivery import Delivered
    from identity.secret_stores.keychain_helper import KeychainHelper

#: A variable that tells programs, and commands of ours inside of them, what they were given.
SESSION: Final = "DEVWIZ_GW_RUN"


def run_program(
    args: argparse.Namespace,
    argv: Sequence[str],
    snapshot: Snapshot,
    helper: KeychainHelper | None,
) -> int:
    """Run the command line `argv` with what `snapshot` allows it; its exit code, if this process
    does not become the program. `helper` is of the store that is begun.

    Raises:
        Fault: see `released`; or the manifest, or an option, is wrong.
    """
    project = snapshot.project
    chosen = _chosen(args, snapshot.manifest(), project)
    parts: set[str] = set()

    def values() -> dict[str, str]:
        with opened_with(helper, snapshot) as scope:
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
