"""`devwiz-gw stdio`: MCP over standard input and output, for clients that only start commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from gateway.cli.client import path_argument
from gateway.cli.client_target import Target, target_of
from gateway.cli.exit_codes import ExitCode
from gateway.config.model import LOCAL_PREFIX
from gateway.errors import GatewayError

_LOG: Final = logging.getLogger("gateway.bridge")
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `stdio`."""
    parser.add_argument("route", metavar="ROUTE", help="the route's name")
    parser.add_argument(
        "--path",
        metavar="PATH",
        type=path_argument,
        default="/mcp",
        help="what follows the address (default: /mcp)",
    )
    parser.add_argument(
        "--token",
        metavar="NAME",
        help="prove the client by the secret local-token.NAME (default: where the route asks every "
        "caller for a token, the first that is kept)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from identity.hardening import harden_process

    # There may be a token in its memory.
    harden_process()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="devwiz-gw: %(message)s")
    # Nothing but messages may come out where the client reads them, whoever prints.
    output = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    target = target_of(args)
    token = _token(args, target)
    asyncio.run(_bridge(args, target, token, output))
    return ExitCode.OK


def _token(args: argparse.Namespace, target: Target) -> str:
    """The token that the route is asked with, "" for none."""
    rules = target.route.allow
    names = [args.token] if args.token else []
    if not names and rules and all(rule.token for rule in rules):
        names = [*dict.fromkeys(rule.token for rule in rules)]
    if not names:
        return ""
    from gateway.cli.secret_scope import opened_by
    from identity.secret_stores.base import SecretRef

    with opened_by(target.snapshot) as scope:
        kept = scope.store.names(scope.project)
        for name in names:
            if LOCAL_PREFIX + name in kept:
                ref = SecretRef(scope.project, LOCAL_PREFIX + name)
                with scope.journal.around("secret.read", name=ref.name, reason="stdio"):
                    return scope.store.get(ref).reveal()
    raise GatewayError(
        f"route {target.route.name} asks for a token, and {' or '.join(names)} isn't kept",
        hint=f"devwiz-gw client print {target.route.name} --token {names[0]} makes it",
    )


async def _bridge(args: argparse.Namespace, target: Target, token: str, output: int) -> None:
    from gateway.bridge.bridge import Bridge
    from gateway.bridge.link import Link
    from gateway.bridge.messages import MOST_BYTES
    from gateway.bridge.standard_streams import Lines, Output
    from gateway.cli.own_gateway import OwnGateway

    lines = Lines(_STDIN, MOST_BYTES)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, lines.end)
    gateway = OwnGateway(args, target, token)
    try:
        async with Link(await gateway.access(), gateway.access) as link:
            await Bridge(link, Output(output, lines).write).run(aiter(lines))
    finally:
        await gateway.stop()
