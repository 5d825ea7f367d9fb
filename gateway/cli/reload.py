"""`devwiz-gw reload`: make the running gateway read its configuration again."""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode

# A reload may have to ask the keychain for new secrets.
_DEADLINE_S: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`reload` has no options of its own."""
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client_for(args.config).post("/reload", deadline_s=_DEADLINE_S)
    output.line("configuration reloaded")
    return ExitCode.OK
