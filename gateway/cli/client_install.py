"""`devwiz-gw client install` and `remove`: a route's entry in a client's own file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.audit.files import state_folder
from gateway.cli import output
from gateway.cli.client_entry import Wanted, spot_of, wanted
from gateway.cli.client_target import advise
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError
from gateway.clients.catalogue import CLIENTS, KnownClient, user_files
from gateway.clients.client_file import ClientFile, Receipts
from gateway.clients.files.base import NotEditable
from gateway.clients.files.named import format_named
from gateway.clients.receipt import Change, installed, removed

#: Stands for a token that isn't made yet.
_TOKEN_TO_COME: Final = "<a new token>"  # noqa: S105 - none


def install(args: argparse.Namespace) -> int:
    """Put the entry into the client's file."""
    item = wanted(args)
    file = ClientFile.read(_file_of(args, item.client))
    receipts = _receipts(item.target.config.project)
    # First with a token that isn't one: a file that can't be edited costs none.
    entry = item.entry(_TOKEN_TO_COME if item.holds_token else "")
    change = _installed(item, file, receipts, entry)
    if args.dry_run:
        return _show(file, change)
    if args.token is not None:
        change = _installed(item, file, receipts, item.entry(item.minted()))
    if change.after == file.text:
        output.line(f"{file.shown} has it already")
        return ExitCode.OK
    receipts.apply(file, item.spot, change)
    output.line(f"put {item.spot.container}.{item.spot.name} into {file.shown}")
    output.note(f"{item.client.title}: {item.client.after}")
    if item.holds_token and file.is_shared:
        output.note(f"other users may read {file.shown}, which holds a token now: chmod 600")
    if item.holds_token and args.scope == "project":
        output.note("it holds a token: keep it out of version control")
    advise(item.target, args.token)
    return ExitCode.OK


def remove(args: argparse.Namespace) -> int:
    """Undo it. The route needn't be in the configuration any more."""
    from gateway.config.load import find_config, load

    client = CLIENTS[args.client]
    config = load(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    file = ClientFile.read(_file_of(args, client))
    receipts, spot = _receipts(config.project), spot_of(args, client)
    form = format_named(client.format)
    with _named(file):
        change = removed(form, file.text, spot, receipts.find(file, spot), force=args.force)
    if args.dry_run:
        return _show(file, change)
    receipts.apply(file, spot, change)
    if change.after == file.text:
        output.line(f"{file.shown} has no {spot.container}.{spot.name}")
    elif change.after is None:
        output.line(f"removed {file.shown}, which held nothing else")
    else:
        output.line(f"removed {spot.container}.{spot.name} from {file.shown}")
    return ExitCode.OK


def _installed(
    item: Wanted, file: ClientFile, receipts: Receipts, entry: Mapping[str, Any]
) -> Change:
    with _named(file):
        return installed(
            item.form,
            file.text,
            item.spot,
            entry,
            receipts.find(file, item.spot),
            missing_folders=file.missing_folders,
            force=item.args.force,
        )


@contextmanager
def _named(file: ClientFile) -> Iterator[None]:
    """Say of a text that can't be edited which file it is."""
    try:
        yield
    except NotEditable as error:
        raise NotEditable(f"{file.shown}: {error}", hint=error.own_hint) from None


def _show(file: ClientFile, change: Change) -> int:
    if change.after == file.text:
        output.note(f"nothing would change in {file.shown}")
    for line in file.difference(change.after):
        output.line(output.printable(line))
    return ExitCode.OK


def _receipts(project: str) -> Receipts:
    return Receipts(state_folder(project, os.environ) / "clients")


def _file_of(args: argparse.Namespace, client: KnownClient) -> Path:
    """The file that is meant. Of several names the one that is there."""
    if args.file is not None:
        return Path(Path.cwd(), args.file)
    if not client.scopes:
        raise UsageError(
            f"{client.title} keeps its servers in no file that is known",
            hint=f"devwiz-gw client print {args.route} --client {client.name}; {client.after}",
        )
    scope = args.scope or client.scopes[0]
    if scope not in client.scopes:
        raise UsageError(f"{client.title} has no file for a {scope}")
    if scope == "project":
        paths = [Path.cwd() / name for name in client.project]
    else:
        found = user_files(client, os.environ, platform=sys.platform)
        paths = [Path(path) for path in found if path.parent == found[0].parent]
    if not paths:
        raise UsageError(
            f"where {client.title} has its file can't be told: HOME is not set",
            hint="name the file with --file",
        )
    return next((path for path in paths if path.exists()), paths[0])
