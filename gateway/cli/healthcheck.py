"""`devwiz-gw healthcheck`: the probe of a container."""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.readiness import failed_checks
from gateway.errors import GatewayError

_LIVE: Final = ("/livez", "live")
_READY: Final = ("/readyz", "ready")
_STARTED: Final = ("/startupz", "started")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `healthcheck`."""
    probes = parser.add_mutually_exclusive_group()
    probes.add_argument(
        "--live",
        dest="probe",
        action="store_const",
        const=_LIVE,
        default=_READY,
        help="ask only whether the process answers, not whether it can serve",
    )
    probes.add_argument(
        "--startup",
        dest="probe",
        action="store_const",
        const=_STARTED,
        help="ask whether it had all that it needs once: a certificate, and workers with routes",
    )
    probes.add_argument(
        "--route", metavar="NAME", help="ask whether this route can serve, whatever the others can"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    target, word = (f"/readyz/{args.route}", "ready") if args.route else args.probe
    try:
        reply = client_for(args.config).get(target)
    except GatewayError as error:
        # Container engines know 0 and 1 only; 2 is reserved there.
        output.fault(error)
        return ExitCode.FAILED
    if reply.status == 200:
        output.line(word)
        for warning in reply.body.get("warnings") or ():
            output.note(f"warning: {output.printable(str(warning))}")
        return ExitCode.OK
    if reply.status == 404:
        output.fault(
            GatewayError(f"there is no route {args.route!r}", hint="'devwiz-gw status' names them")
        )
        return ExitCode.FAILED
    reason = f"the gateway is not {word}: {failed_checks(reply.body)}"
    output.fault(GatewayError(reason, hint="'devwiz-gw status' shows more"))
    return ExitCode.FAILED
