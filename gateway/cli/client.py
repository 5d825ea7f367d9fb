"""`devwiz-gw client`: what to tell a local client, and a token of its own for it."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError, add_commands
from gateway.clients.access import Access, access_to
from gateway.clients.formats import FORMATS, ClientFormat
from gateway.config.model import LOCAL_PREFIX, TcpAddress, UnixAddress
from gateway.errors import GatewayError, NotRunning

if TYPE_CHECKING:
    from gateway.config.model import Config, Route

#: Tells what it is to whoever finds it, and to programs that look for secrets in files.
_PREFIX: Final = "dwgw_"
_TOKEN_BYTES: Final = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `client`."""
    commands = add_commands(parser)
    printing = commands.add(
        "print",
        summary="print what a local client needs to reach a route",
        examples=(
            "devwiz-gw client print planner",
            "devwiz-gw client print planner --client json > .mcp.json",
            "devwiz-gw client print planner --client curl --token ide",
        ),
        run=_print,
    )
    printing.add_argument("route", metavar="ROUTE", help="the route's name")
    forms = "; ".join(f"{item.name}: {item.summary}" for item in FORMATS.values())
    printing.add_argument(
        "--client",
        metavar="FORM",
        choices=[*FORMATS],
        default="url",
        help=f"for whom (default: url). {forms}",
    )
    printing.add_argument(
        "--path",
        metavar="PATH",
        type=_path,
        help="what follows the address (default: /mcp for clients of MCP, else /)",
    )
    printing.add_argument(
        "--token",
        metavar="NAME",
        help="make a token, keep it as the secret local-token.NAME, and print it once, as the "
        "header that proves the client",
    )
    printing.add_argument(
        "--rotate", action="store_true", help="put a new token in the place of one that is kept"
    )
    printing.add_argument("--json", action="store_true", help="print JSON")


def _path(text: str) -> str:
    visible = text.isascii() and text.isprintable() and " " not in text
    if not text.startswith("/") or not visible:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path of visible ASCII such as /mcp")
    return text


@dataclass(frozen=True, slots=True)
class _Target:
    """What was asked for, and found to be possible."""

    config: Config
    route: Route
    form: ClientFormat
    access: Access


def _print(args: argparse.Namespace) -> int:
    if args.rotate and args.token is None:
        raise UsageError("--rotate says nothing by itself", hint="name the token with --token NAME")
    target = _target(args)
    # Last, when nothing else can go wrong any more.
    token = "" if args.token is None else _minted(args, target.config)
    access = replace(target.access, token=token)
    text = target.form.text(access)
    if args.json:
        output.document(
            {
                "route": access.route,
                "client": target.form.name,
                "url": access.url,
                "socket": access.socket,
                "headers": access.headers,
                "text": text,
            }
        )
    else:
        output.line(text)
    _advise(target, args.token)
    return ExitCode.OK


def _target(args: argparse.Namespace) -> _Target:
    from gateway.config.load import find_config, load

    config = load(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    route = _route_named(config, args.route)
    form = FORMATS[args.client]
    path = form.path if args.path is None else args.path
    access = access_to(route.name, _listeners(route, args), path=path)
    if access.socket and not form.over_socket:
        raise GatewayError(
            f"route {route.name} listens on a Unix socket only, which a client of the form "
            f"{form.name!r} can't use",
            hint='add a port to it, such as listen = ["127.0.0.1:8701", "unix:…"]',
        )
    return _Target(config, route, form, access)


def _route_named(config: Config, name: str) -> Route:
    routes = {route.name: route for route in config.routes}
    if name not in routes:
        raise UsageError(
            f"there is no route {name!r}", hint=f"{config.path} has {', '.join(sorted(routes))}"
        )
    route = routes[name]
    if route.kind != "http":
        why = {
            "tcp": "carries bytes as they are: connect to its listener",
            "ingress": "is for callers from elsewhere, with a certificate of their own",
        }
        raise GatewayError(
            f"route {name} {why[route.kind]}", hint="devwiz-gw status shows its listeners"
        )
    return route


def _listeners(route: Route, args: argparse.Namespace) -> Sequence[TcpAddress | UnixAddress]:
    """The configured addresses; of a port that the system picks, what the running gateway says."""
    fixed = [item for item in route.listen if isinstance(item, UnixAddress) or item.port]
    if fixed:
        return fixed
    from gateway.cli.admin_client import client_for

    try:
        status = client_for(args.config).status()
    except NotRunning as error:
        raise NotRunning(
            f"the port of route {route.name} is picked when the gateway starts, and it isn't "
            "running",
            hint="start it, or give the listener a port",
        ) from error
    found = [
        _address(text)
        for item in status.get("routes") or []
        if item.get("name") == route.name
        for text in item.get("listeners") or []
    ]
    if not found:
        raise GatewayError(
            f"the running gateway has no listener of route {route.name}",
            hint="devwiz-gw reload makes it read its configuration again",
        )
    return found


def _address(text: str) -> TcpAddress | UnixAddress:
    if text.startswith("unix:"):
        return UnixAddress(Path(text.removeprefix("unix:")))
    host, _, port = text.rpartition(":")
    return TcpAddress(host.strip("[]"), int(port))


def _minted(args: argparse.Namespace, config: Config) -> str:
    """A new token, kept in the project's store."""
    from gateway.cli.secret_scope import opened
    from identity.secret_stores.base import Secret, SecretRef

    args.project = None
    with opened(args) as scope:
        ref = SecretRef(scope.project, LOCAL_PREFIX + args.token)
        if scope.kind == "folder":
            file = f"{config.secrets.folder}/{ref.name}"
            raise GatewayError(
                "the folder of secrets is only read, so no token can be put there from here",
                hint=f"make one by hand: (umask 077; openssl rand -hex 32 > {file}); the client "
                "sends those 64 digits as X-Devwiz-Gw-Token, and is printed without --token",
            )
        if not args.rotate and ref.name in scope.store.names(scope.project):
            raise GatewayError(
                f"there is a token {args.token} already",
                hint="--rotate replaces it, and whoever has the old one is refused from then on; "
                "or choose another name, so that each client has a token of its own",
            )
        token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        with scope.journal.around("token.mint", name=args.token):
            scope.store.set(ref, Secret(token))
    return token


def _advise(target: _Target, token: str | None) -> None:
    """What is left to do before the client is let in, on standard error."""
    rules = target.route.allow
    names = [*dict.fromkeys(rule.token for rule in rules if rule.token)]
    if token is None:
        if rules and all(rule.token for rule in rules):
            options = " or ".join(f"--token {name}" for name in names)
            output.note(f"route {target.route.name} asks every caller for a token: {options}")
    elif token in names:
        output.note(
            "a gateway that runs takes the token within 30 s, or at once with: devwiz-gw reload"
        )
    else:
        others = "" if rules else ", and a rule for everybody else who may call"
        output.note(
            f"route {target.route.name} doesn't ask for this token yet: add to it in "
            f"{target.config.path}{others}"
        )
        output.note(f'\n[[routes.allow]]\ntoken = "{token}"')
