"""The entry that a client's file is to have for a route, before there is a token for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from gateway.cli.client_target import Target, is_kept, listeners_of, minted, target_of
from gateway.cli.parsers import PROGRAM, UsageError
from gateway.clients.access import Access, access_to
from gateway.clients.catalogue import CLIENTS, KnownClient, http_entry, stdio_entry
from gateway.clients.files.base import FileFormat, Spot
from gateway.clients.files.named import format_named
from gateway.errors import GatewayError

_Way = Literal["http", "stdio"]
_MCP_PATH: Final = "/mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command line asks for.

    Attributes:
        spot: where the entry is in the client's file.
        access: how the route is reached, still without a token.
    """

    args: argparse.Namespace
    target: Target
    client: KnownClient
    via: _Way
    spot: Spot
    form: FileFormat
    access: Access

    @property
    def holds_token(self) -> bool:
        """Whether the entry will hold a token itself."""
        return self.via == "http" and self.args.token is not None

    def entry(self, token: str) -> Mapping[str, Any]:
        """The entry, with this token in it if it is to hold one."""
        if self.via == "http":
            return http_entry(self.client, replace(self.access, token=token))
        return stdio_entry(self.client, self.spot.name, self._command())

    def minted(self) -> str:
        """A new token if the entry is to hold one, else "". For a command that gets it from the
        store one is made if there is none. Raises `Fault`.
        """
        if self.args.token is None:
            return ""
        if self.via == "stdio" and not self.args.rotate and is_kept(self.args.token, self.target):
            return ""
        token = minted(self.args, self.target)
        return token if self.holds_token else ""

    def _command(self) -> list[str]:
        words = [*own_command(), "stdio", self.target.route.name]
        words += ["--config", str(self.target.config.path)]
        if self.args.path not in {None, _MCP_PATH}:
            words += ["--path", self.args.path]
        return words + (["--token", self.args.token] if self.args.token else [])


def wanted(args: argparse.Namespace) -> Wanted:
    """What `print` and `install` are asked for. Raises `Fault`."""
    if args.rotate and args.token is None:
        raise UsageError("--rotate says nothing by itself", hint="name the token with --token NAME")
    client, target = CLIENTS[args.client], target_of(args)
    usual: _Way = "http" if client.http and not target.on_socket_only else "stdio"
    via: _Way = args.via or usual
    if via == "http" and client.http is None:
        raise GatewayError(f"{client.title} only starts commands", hint="leave --via http out")
    if via == "http" and target.on_socket_only:
        raise GatewayError(
            f"route {target.route.name} listens on a Unix socket only, which {client.title} can't "
            "use",
            hint="leave --via http out, or add a port to the route",
        )
    # A command finds the route's listener by itself, when it is started.
    path = args.path or _MCP_PATH
    listeners = listeners_of(target) if via == "http" else target.route.listen
    return Wanted(
        args=args,
        target=target,
        client=client,
        via=via,
        spot=spot_of(args, client),
        form=format_named(client.format),
        access=access_to(target.route.name, listeners, path=path),
    )


def spot_of(args: argparse.Namespace, client: KnownClient) -> Spot:
    """Where the entry is in the client's file."""
    return Spot(container=client.container, name=args.name or args.route)


def own_command() -> list[str]:
    """How this program is started by whoever has another search path, such as a desktop's."""
    script = Path(sys.executable).with_name(PROGRAM)
    if script.exists():
        return [str(script)]
    return [sys.executable, "-m", "gateway"]
