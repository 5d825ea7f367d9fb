"""`devwiz-gw explain`: what became of a request, and why; or which ones failed last."""

from __future__ import annotations

import argparse
from typing import Final
from urllib.parse import quote

from gateway.cli import output
from gateway.cli.admin_client import AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.explain_view import explanation_lines, request_lines

_USUAL: Final = 20
_MOST: Final = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `explain`."""
    parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="of a request: from its X-Request-Id, its problem document or the log; or the id of "
        "its trace, 32 hexadecimal digits (default: list the last failures)",
    )
    parser.add_argument(
        "--last",
        metavar="N",
        type=_count,
        default=_USUAL,
        help=f"how many to list (default: {_USUAL})",
    )
    parser.add_argument(
        "--all", action="store_true", help="list all requests and not only failures"
    )
    parser.add_argument("--json", action="store_true", help="print the gateway's own document")
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST}")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    client = client_for(args.config)
    return _one(client, args) if args.id else _list(client, args)


def _one(client: AdminClient, args: argparse.Namespace) -> int:
    document = client.document(f"/requests/{quote(args.id, safe='')}")
    if args.json:
        output.document(document)
        return ExitCode.OK
    for number, item in enumerate(document.get("requests") or []):
        if number:
            output.line()
        for text in explanation_lines(item):
            output.line(text)
    return ExitCode.OK


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    document = client.document(f"/requests?last={args.last}&failed={int(not args.all)}")
    if args.json:
        output.document(document)
        return ExitCode.OK
    requests = document.get("requests") or []
    for text in request_lines(requests, columns=output.terminal_width()):
        output.line(text)
    if not requests:
        output.note("no request is remembered" if args.all else "no failure is remembered")
    return ExitCode.OK
