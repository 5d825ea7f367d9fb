"""`devwiz-gw identity`: the running gateway's certificates."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from gateway.cli import identity_rehearse, output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.device_key import add_device_key
from gateway.cli.exit_codes import ExitCode
from gateway.cli.identity_export import add_export
from gateway.cli.identity_verify import add_verify
from gateway.cli.identity_view import all_lines
from gateway.cli.parsers import add_commands, seconds
from gateway.errors import GatewayError

_POLL_S: Final = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of `identity`."""
    commands = add_commands(parser)
    show = commands.add(
        "show",
        summary="show the certificates in use and their renewal",
        examples=("devwiz-gw identity show", "devwiz-gw identity show --json"),
        run=_show,
    )
    _add_name(show, "show this one only")
    show.add_argument("--json", action="store_true", help="print the gateway's own document")
    renew = commands.add(
        "renew",
        summary="renew a certificate now and wait for the new one",
        examples=("devwiz-gw identity renew", "devwiz-gw identity renew billing"),
        run=_renew,
    )
    identity_rehearse.add_command(commands)
    _add_name(renew, "renew this one (default: the one of the table [identity])")
    renew.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="give up waiting after this long (default: %(default)g)",
    )
    add_verify(commands)
    add_export(commands)
    add_device_key(commands)


def _add_name(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help=what)


def _show(args: argparse.Namespace) -> int:
    document = client_for(args.config).status()
    every = _identities(document)
    chosen = every if args.name is None else [_named(every, args.name)]
    if args.json:
        alone = args.name is not None or len(every) == 1
        output.document(chosen[0] if alone else chosen[0] | {"identities": every})
    else:
        now, width = datetime.now(UTC), output.terminal_width()
        for text in all_lines(chosen, now=now, columns=width):
            output.line(text)
    return ExitCode.OK if all(item.get("generation") for item in chosen) else ExitCode.FAILED


def _renew(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    before = _identity(client, args.name)
    deadline = time.monotonic() + args.timeout
    query = f"?{urlencode({'name': args.name})}" if args.name else ""
    asked = client.post(f"/identity/renew{query}", deadline_s=args.timeout)
    _refuse_when_too_soon(asked, before, args.timeout)
    possible = time.monotonic() + float(asked.get("possible_in_s") or 0)
    with output.Progress("renewing the identity") as progress:
        while not _is_new(identity := _identity(client, args.name), before):
            if time.monotonic() >= deadline:
                raise GatewayError(
                    f"no new certificate within {args.timeout:g} s",
                    hint="the one in use stays; 'devwiz-gw identity show' tells how it goes on",
                )
            left = possible - time.monotonic()
            progress.tick(f"possible in {output.duration(left)}" if left > 0 else "")
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
    at = datetime.now(UTC) + timedelta(seconds=wait_s)
    raise GatewayError(
        f"{why}; the next renewal is possible in {output.duration(wait_s)}",
        hint=f"that is at {at:%H:%M:%S} UTC, and the gateway renews it then; "
        "the one in use stays until it has the new one; --timeout waits longer",
    )


def _is_new(identity: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a renewal came through. Raises `GatewayError` when it failed since `before`."""
    error = identity.get("last_error")
    at = identity.get("last_error_at")
    if error and at != before.get("last_error_at"):
        hint = str(identity.get("last_error_hint") or "")
        raise GatewayError(f"the renewal failed: {error}", hint=hint)
    return int(identity.get("generation") or 0) > int(before.get("generation") or 0)


def _identity(client: AdminClient, name: str | None) -> dict[str, Any]:
    every = _identities(client.status())
    return every[0] if name is None else _named(every, name)


def _identities(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("identities") or [document.get("identity")]
    every = [item for item in found if isinstance(item, dict)]
    if not every:
        raise GatewayError(
            "the gateway says nothing of its identity",
            hint="it is of another version than this command: start it again",
        )
    return every


def _named(every: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in every:
        if item.get("name") == name:
            return item
    known = ", ".join(str(item.get("name")) for item in every)
    raise GatewayError(f"there is no identity {name!r}", hint=f"there are: {known}")
