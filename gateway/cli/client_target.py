"""Which route a `client` command is about, how it is reached, and a token for the client."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.parsers import UsageError
from gateway.config.model import LOCAL_PREFIX, TcpAddress, UnixAddress
from gateway.errors import GatewayError, NotRunning

if TYPE_CHECKING:
    from gateway.cli.snapshot import Snapshot
    from gateway.config.model import Config, Route

#: Tells what it is to whoever finds it, and to programs that look for secrets in files.
_PREFIX: Final = "dwgw_"
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Target:
    """A route of HTTP, the configuration that it is in, and that as it was read."""

    config: Config
    route: Route
    snapshot: Snapshot

    @property
    def on_socket_only(self) -> bool:
        """Whether no port leads to it."""
        return all(isinstance(item, UnixAddress) for item in self.route.listen)


def target_of(args: argparse.Namespace) -> Target:
    """The route that `args.route` names; the file is read here, and by nobody later. Raises
    `Fault`.
    """
    from gateway.cli.snapshot import Snapshot
    from gateway.config.find import find_config, normal_path
    from gateway.config.load import checked
    from gateway.config.reading import read

    reading = read(normal_path(find_config(args.config, cwd=Path.cwd(), env=os.environ)))
    config = checked(reading)
    return Target(config, _route_named(config, args.route), Snapshot.of(reading))


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


def listeners_of(target: Target) -> Sequence[TcpAddress | UnixAddress]:
    """The configured addresses; of a port that the system picks, what the running gateway says.
    Raises `Fault`.
    """
    route = target.route
    fixed = [item for item in route.listen if isinstance(item, UnixAddress) or item.port]
    if fixed:
        return fixed
    from gateway.cli.admin_client import AdminClient

    try:
        status = AdminClient(target.config.admin.socket).status()
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


def minted(args: argparse.Namespace, target: Target) -> str:
    """A new token, kept in the project's store: it lets its holder in where the caller may not be,
    so that an agent needs a person's word. Raises `Fault`.
    """
    from gateway.cli.agent_changes import approve_change
    from gateway.cli.secret_scope import opened_by
    from identity.secret_stores.base import Secret, SecretRef

    with opened_by(target.snapshot) as scope:
        ref = SecretRef(scope.project, LOCAL_PREFIX + args.token)
        if scope.kind == "folder":
            file = f"{target.config.secrets.folder}/{ref.name}"
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
        agent = approve_change(scope, (ref.name,), command="client token", action="token.mint")
        token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        with scope.journal.around("token.mint", name=args.token, reason=agent):
            scope.store.set(ref, Secret(token))
    return token


def is_kept(token: str, target: Target) -> bool:
    """Whether a token of this name is in the project's store. Raises `Fault`."""
    from gateway.cli.secret_scope import opened_by

    with opened_by(target.snapshot) as scope:
        return LOCAL_PREFIX + token in scope.store.names(scope.project)


def advise(target: Target, token: str | None) -> None:
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
