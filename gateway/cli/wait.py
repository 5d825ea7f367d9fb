"""`devwiz-gw wait`: for scripts that start an agent once the gateway can serve it."""

from __future__ import annotations

import argparse
import time
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import seconds
from gateway.cli.readiness import failed_checks
from gateway.errors import GatewayError, NotRunning

_POLL_S: Final = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `wait`."""
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="give up after this long (default: %(default)g)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    deadline = time.monotonic() + args.timeout
    with output.Progress("waiting for the gateway") as progress:
        while True:
            reason = _why_not_ready(client, deadline)
            if reason is None:
                return ExitCode.OK
            if time.monotonic() >= deadline:
                raise reason
            progress.tick(str(reason))
            time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))


def _why_not_ready(client: AdminClient, deadline: float) -> GatewayError | None:
    left = max(0.05, min(5.0, deadline - time.monotonic()))
    try:
        reply = client.get("/readyz", deadline_s=left)
    except NotRunning as error:
        return error
    if reply.status == 200:
        return None
    return GatewayError(
        f"the gateway is not ready: {failed_checks(reply.body)}",
        hint="'devwiz-gw status' shows more; give --timeout more seconds if it only needs time",
    )
