"""`devwiz-gw reload`: make the running gateway read its configuration again."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError, seconds
from gateway.cli.status_view import worker_lines
from gateway.config.find import find_config
from gateway.errors import ConfigInvalid, NotRunning

# A reload may have to ask the keychain for new secrets.
_DEADLINE_S: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `reload`."""
    parser.add_argument(
        "--workers",
        action="store_true",
        help="then let fresh worker processes take over; what the old ones carry goes on",
    )
    parser.add_argument(
        "--deadline",
        metavar="SECONDS",
        type=seconds,
        help="with --workers: cut what replaced workers still carry after this time",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.deadline is not None and not args.workers:
        raise UsageError("--deadline is for --workers", hint="see 'devwiz-gw reload --help'")
    client = client_for(args.config)
    try:
        client.post("/reload", deadline_s=_DEADLINE_S)
    except ConfigInvalid as invalid:
        invalid.hint = "the gateway goes on with the configuration that it had"
        raise
    except NotRunning as gone:
        _tell_what_is_broken(args, str(gone))
        raise
    output.line("configuration reloaded")
    if args.workers:
        _replace_workers(client, args.deadline)
    return ExitCode.OK


def _tell_what_is_broken(args: argparse.Namespace, gone: str) -> None:
    """Raise `ConfigInvalid` for a file that is no TOML: it may be why the gateway isn't found, as
    it no longer says where that listens.
    """
    from gateway.config.reading import read

    try:
        read(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    except ConfigInvalid as invalid:
        invalid.hint = f"{gone}; one that runs goes on with the configuration that it had"
        raise


def _replace_workers(client: AdminClient, deadline_s: float | None) -> None:
    query = "" if deadline_s is None else f"?deadline_s={deadline_s:g}"
    answer = client.post(f"/workers/replace{query}", deadline_s=_DEADLINE_S)
    output.line("fresh workers have taken over")
    workers = answer.get("workers") or []
    if any(worker.get("state") == "retiring" for worker in workers):
        for line in ("", *worker_lines(workers)):
            output.line(line)
