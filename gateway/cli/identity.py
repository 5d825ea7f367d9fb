"""`devwiz-gw identity`: the running gateway's certificate."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import add_commands
from gateway.cli.status_view import identity_lines
from gateway.errors import GatewayError

# Renewing is a round trip to the issuer, and its deadlines count.
_RENEWAL_DEADLINE_S: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of `identity`."""
    commands = add_commands(parser)
    show = commands.add(
        "show",
        summary="show the certificate in use and its renewal",
        examples=("devwiz-gw identity show", "devwiz-gw identity show --json"),
        run=_show,
    )
    show.add_argument("--json", action="store_true", help="print the gateway's own document")
    commands.add(
        "renew",
        summary="renew the certificate now",
        examples=("devwiz-gw identity renew",),
        run=_renew,
    )


def _show(args: argparse.Namespace) -> int:
    identity = client_for(args.config).status().get("identity")
    if not isinstance(identity, dict):
        raise GatewayError("the gateway says nothing of its identity")
    if args.json:
        output.document(identity)
    else:
        for text in identity_lines(identity, now=datetime.now(UTC)):
            output.line(text)
    return ExitCode.OK if identity.get("generation") else ExitCode.FAILED


def _renew(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    said = client.post("/identity/renew", deadline_s=_RENEWAL_DEADLINE_S)
    generation = said.get("generation")
    output.line(f"renewed: generation {generation}" if generation else "renewal started")
    return ExitCode.OK
