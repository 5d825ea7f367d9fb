"""`devwiz-gw reload`: make the running gateway read its configuration again."""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode
from gateway.errors import ConfigInvalid

# A reload may have to ask the keychain for new secrets.
_DEADLINE_S: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`reload` has no options of its own."""
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    try:
        client.post("/reload", deadline_s=_DEADLINE_S)
    except ConfigInvalid as invalid:
        invalid.hint = "the gateway goes on with the configuration that it had"
        raise
    output.line("configuration reloaded")
    return ExitCode.OK
