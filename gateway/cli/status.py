"""`devwiz-gw status`: what the running gateway is and does."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any, Final

from gateway.cli import output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import seconds
from gateway.cli.status_view import status_lines
from gateway.errors import NotRunning

_EVERY_S: Final = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `status`."""
    parser.add_argument("--json", action="store_true", help="print the gateway's own document")
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=seconds,
        nargs="?",
        const=_EVERY_S,
        help=f"show it again every so often, until interrupted (default: {_EVERY_S:g})",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    if args.watch is None:
        return _show(client.status(), as_json=args.json)
    code: int = ExitCode.OK
    try:
        while True:
            code = _show_again(client, as_json=args.json)
            output.flush()
            time.sleep(args.watch)
    except KeyboardInterrupt:
        # This is how watching ends; the last picture decides the code.
        return code


def _show_again(client: AdminClient, *, as_json: bool) -> int:
    try:
        document = client.status()
    except NotRunning as error:
        output.clear()
        output.fault(error)
        return ExitCode.NOT_RUNNING
    output.clear()
    return _show(document, as_json=as_json)


def _show(document: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        output.document(document)
    else:
        now = datetime.now(UTC)
        for text in status_lines(document, now=now, columns=output.terminal_width()):
            output.line(text)
    return ExitCode.OK if document.get("state") == "ready" else ExitCode.FAILED
