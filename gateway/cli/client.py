"""`devwiz-gw client`: tell a local client how to reach a route, or put it into its file."""

from __future__ import annotations

import argparse
from dataclasses import replace

from gateway.cli import output
from gateway.cli.client_entry import Wanted, wanted
from gateway.cli.client_install import install, remove
from gateway.cli.client_target import advise, listeners_of, minted, target_of
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError, add_commands
from gateway.clients.access import PROOF_HEADER, access_to
from gateway.clients.catalogue import CLIENTS
from gateway.clients.files.base import with_entry
from gateway.clients.formats import FORMATS
from gateway.errors import GatewayError

_EXAMPLE = "devwiz-gw client install planner --client cursor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `client`."""
    commands = add_commands(parser)
    _add_print(
        commands.add(
            "print",
            summary="print what a local client needs to reach a route",
            examples=(
                "devwiz-gw client print planner",
                "devwiz-gw client print planner --client zed",
                "devwiz-gw client print planner --client curl --token ide",
            ),
            run=_print,
        )
    )
    installing = commands.add(
        "install",
        summary="put a route into a client's file, which is otherwise left as it is",
        examples=(
            f"{_EXAMPLE} --dry-run",
            "devwiz-gw client install planner --client claude-code --scope project",
            "devwiz-gw client install planner --client claude-desktop",
        ),
        run=install,
    )
    _add_client(installing, [*CLIENTS], required=True)
    _add_way(installing)
    _add_token(installing, "is written into the client's file")
    _add_file(installing, "replace an entry of that name that is somebody else's")
    removing = commands.add(
        "remove",
        summary="undo what install did to a client's file",
        examples=("devwiz-gw client remove planner --client cursor",),
        run=remove,
    )
    _add_client(removing, [*CLIENTS], required=True)
    _add_file(removing, "take the entry away although it is not as install wrote it")


def _add_print(parser: argparse.ArgumentParser) -> None:
    _add_client(parser, [*FORMATS, *CLIENTS], required=False)
    _add_way(parser)
    _add_token(parser, "is printed once, as the header that proves the client")
    parser.add_argument("--name", metavar="NAME", help="what the client calls it (default: ROUTE)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_client(parser: argparse.ArgumentParser, names: list[str], *, required: bool) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the route's name")
    forms = [f"{item.name}: {item.summary}" for item in FORMATS.values() if item.name in names]
    known = ", ".join(item.name for item in CLIENTS.values())
    what = f"a client's name: {known}" if required else f"for whom (default: url). {known}. "
    parser.add_argument(
        "--client",
        metavar="CLIENT",
        choices=names,
        default=None if required else "url",
        required=required,
        help=what + "; ".join(forms),
    )


def _add_way(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--via",
        choices=("http", "stdio"),
        help="whether the client asks the gateway itself, or starts devwiz-gw stdio, which does "
        "(default: http where the client can)",
    )
    parser.add_argument(
        "--path",
        metavar="PATH",
        type=path_argument,
        help="what follows the address (default: /mcp for clients of MCP, else /)",
    )


def _add_token(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--token",
        metavar="NAME",
        help=f"make a token, kept as the secret local-token.NAME, which {what}; with --via stdio "
        "only its name is",
    )
    parser.add_argument(
        "--rotate", action="store_true", help="put a new token in the place of one that is kept"
    )


def _add_file(parser: argparse.ArgumentParser, force: str) -> None:
    parser.add_argument("--name", metavar="NAME", help="what the client calls it (default: ROUTE)")
    parser.add_argument(
        "--scope",
        choices=("user", "project"),
        help="whether the user's file is meant or one in this folder (default: user)",
    )
    parser.add_argument("--file", metavar="FILE", help="another file of the client's")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the difference and change nothing"
    )
    parser.add_argument("--force", action="store_true", help=force)


def path_argument(text: str) -> str:
    """The type of an argument that is the path of a URL."""
    visible = text.isascii() and text.isprintable() and " " not in text
    if not text.startswith("/") or not visible:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path of visible ASCII such as /mcp")
    return text


def _print(args: argparse.Namespace) -> int:
    if args.rotate and args.token is None:
        raise UsageError("--rotate says nothing by itself", hint="name the token with --token NAME")
    return _print_known(wanted(args)) if args.client in CLIENTS else _print_form(args)


def _print_known(item: Wanted) -> int:
    token = item.minted()
    text = with_entry(item.form, "", item.spot, item.entry(token)).rstrip("\n")
    _show(item.args, text, url=item.access.url, socket=item.access.socket, token=token)
    advise(item.target, item.args.token)
    return ExitCode.OK


def _print_form(args: argparse.Namespace) -> int:
    if args.via or args.name:
        raise UsageError("--via and --name are for clients that are known by name")
    target, form = target_of(args), FORMATS[args.client]
    path = form.path if args.path is None else args.path
    access = access_to(target.route.name, listeners_of(target), path=path)
    if access.socket and not form.over_socket:
        raise GatewayError(
            f"route {target.route.name} listens on a Unix socket only, which a client of the form "
            f"{form.name!r} can't use",
            hint='add a port to it, such as listen = ["127.0.0.1:8701", "unix:…"]',
        )
    # Last, when nothing else can go wrong any more.
    token = "" if args.token is None else minted(args, target)
    text = form.text(replace(access, token=token))
    _show(args, text, url=access.url, socket=access.socket, token=token)
    advise(target, args.token)
    if form.name == "a2a" and target.route.agent_card == "keep":
        output.note(
            f"the agent's card will lead past route {target.route.name}: add to it in "
            f'{target.config.path}\n\nagent_card = "rewrite"'
        )
    return ExitCode.OK


def _show(args: argparse.Namespace, text: str, *, url: str, socket: str, token: str) -> None:
    if not args.json:
        output.line(text)
        return
    headers = {PROOF_HEADER: token} if token else {}
    output.document(
        {
            "route": args.route,
            "client": args.client,
            "url": url,
            "socket": socket,
            "headers": headers,
            "text": text,
        }
    )
