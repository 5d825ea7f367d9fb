"""`devwiz-gw drain`: let the running gateway finish its work and stop."""

from __future__ import annotations

import argparse
import time
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.errors import NotRunning

_LOOK_EVERY_S: Final = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `drain`."""
    parser.add_argument("--wait", action="store_true", help="return when the gateway has stopped")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    client.post("/drain")
    if args.wait:
        _wait(client)
        output.line("stopped")
    else:
        output.line("draining: open requests finish, then the gateway stops")
    return ExitCode.OK


def _wait(client: AdminClient) -> None:
    """Until nobody answers any more; the gateway's own deadline for draining ends it."""
    with output.Progress("draining") as progress:
        while True:
            try:
                client.status()
            except NotRunning:
                return
            progress.tick()
            time.sleep(_LOOK_EVERY_S)
