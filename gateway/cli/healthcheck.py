"""`devwiz-gw healthcheck`: the probe of a container."""

from __future__ import annotations

import argparse

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.readiness import failed_checks
from gateway.errors import GatewayError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `healthcheck`."""
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask only whether the process answers, not whether it can serve",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        reply = client_for(args.config).get("/livez" if args.live else "/readyz")
    except GatewayError as error:
        # Container engines know 0 and 1 only; 2 is reserved there.
        output.fault(error)
        return ExitCode.FAILED
    if reply.status == 200:
        output.line("live" if args.live else "ready")
        return ExitCode.OK
    reason = f"the gateway is not ready: {failed_checks(reply.body)}"
    output.fault(GatewayError(reason, hint="'devwiz-gw status' shows more"))
    return ExitCode.FAILED
