"""`devwiz-gw drain`: let the running gateway finish its work and stop."""

from __future__ import annotations

import argparse

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`drain` has no options of its own."""
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client_for(args.config).post("/drain")
    output.line("draining: open requests finish, then the gateway stops")
    return ExitCode.OK
