"""`devwiz-gw identity`: the running gateway's certificate."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.cli import identity_rehearse, output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.identity_export import add_export
from gateway.cli.parsers import add_commands, seconds
from gateway.cli.status_view import identity_lines
from gateway.errors import GatewayError

_POLL_S: Final = 0.1


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
    renew = commands.add(
        "renew",
        summary="renew the certificate now and wait for the new one",
        examples=("devwiz-gw identity renew",),
        run=_renew,
    )
    identity_rehearse.add_command(commands)
    renew.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="give up waiting after this long (default: %(default)g)",
    )
    add_export(commands)


def _show(args: argparse.Namespace) -> int:
    identity = _identity(client_for(args.config))
    if args.json:
        output.document(identity)
    else:
        for text in identity_lines(identity, now=datetime.now(UTC)):
            output.line(text)
    return ExitCode.OK if identity.get("generation") else ExitCode.FAILED


def _renew(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    before = _identity(client)
    deadline = time.monotonic() + args.timeout
    asked = client.post("/identity/renew", deadline_s=args.timeout)
    _refuse_when_too_soon(asked, before, args.timeout)
    with output.Progress("renewing the identity") as progress:
        while not _is_new(identity := _identity(client), before):
            if time.monotonic() >= deadline:
                raise GatewayError(
                    f"no new certificate within {args.timeout:g} s",
                    hint="the one in use stays; 'devwiz-gw identity show' tells how it goes on",
                )
            progress.tick()
            time.sleep(_POLL_S)
    output.line(f"renewed: generation {identity['generation']}, serial {identity.get('serial')}")
    return ExitCode.OK


def _refuse_when_too_soon(
    asked: Mapping[str, Any], before: Mapping[str, Any], timeout_s: float
) -> None:
    wait_s = float(asked.get("possible_in_s") or 0)
    if wait_s < timeout_s:
        return
    why = f"the certificate is {output.duration(asked.get('age_s') or 0)} old"
    if error := before.get("last_error"):
        why = f"the last renewal failed: {error}"
    raise GatewayError(
        f"{why}; the next renewal is possible in {output.duration(wait_s)}",
        hint="the gateway renews it then; the one in use stays until it has the new one",
    )


def _is_new(identity: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a renewal came through. Raises `GatewayError` when it failed since `before`."""
    error = identity.get("last_error")
    at = identity.get("last_error_at")
    if error and at != before.get("last_error_at"):
        hint = str(identity.get("last_error_hint") or "")
        raise GatewayError(f"the renewal failed: {error}", hint=hint)
    return int(identity.get("generation") or 0) > int(before.get("generation") or 0)


def _identity(client: AdminClient) -> dict[str, Any]:
    identity = client.status().get("identity")
    if not isinstance(identity, dict):
        raise GatewayError("the gateway says nothing of its identity")
    return identity
