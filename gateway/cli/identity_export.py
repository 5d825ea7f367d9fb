"""`devwiz-gw identity export`: the identity as files, once or for as long as it is renewed."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from gateway.cli import output
from gateway.cli.admin_client import DEADLINE_S, AdminClient, client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, UsageError
from gateway.cli.snapshot import snapshot_of
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch
from gateway.config.identity_export import SIGNALS
from gateway.config.model import DEFAULT_IDENTITY
from identity.fault import Fault

#: How long the gateway is asked to wait for the next certificate.
_WAIT_S: Final = 30.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


def add_export(commands: Commands) -> None:
    """The command `identity export`."""
    export = commands.add(
        "export",
        summary="write key, chain and trust bundle to a folder, all at once",
        examples=(
            "devwiz-gw identity export --dir tls",
            "devwiz-gw identity export --dir tls --watch --exec '/usr/sbin/nginx -s reload'",
        ),
        run=_export,
    )
    export.add_argument(
        "--dir",
        metavar="DIR",
        type=Path,
        required=True,
        help="the folder: svid.pem, svid.key and bundle.pem; made with mode 0700 if it is missing",
    )
    export.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        default=DEFAULT_IDENTITY,
        help="which identity (default: the one of the table [identity])",
    )
    export.add_argument(
        "--combined",
        action="store_true",
        help="also write combined.pem, which holds key and chain",
    )
    export.add_argument(
        "--watch", action="store_true", help="go on, and write each renewed certificate"
    )
    export.add_argument(
        "--exec",
        metavar="COMMAND",
        default="",
        help="a program with its arguments to run after each change, without a shell",
    )
    export.add_argument("--signal", choices=SIGNALS, help="a signal to send after each change")
    export.add_argument(
        "--pid-file", metavar="FILE", type=Path, help="where the number of its receiver is"
    )


def _export(args: argparse.Namespace) -> int:
    if bool(args.signal) != bool(args.pid_file):
        raise UsageError("--signal and --pid-file need each other")
    snapshot = snapshot_of(args, required=False)
    demand_touch(snapshot, Action(command="identity export", targets=(args.name,)))
    args.dir = Path.cwd() / args.dir
    client = client_for(args.config)
    digest = _once(client, args, but="")
    if not args.watch:
        return ExitCode.OK
    pause_s, told = _FIRST_PAUSE_S, ""
    while True:
        try:
            digest = _once(client, args, but=digest)
            pause_s, told = _FIRST_PAUSE_S, ""
        except Fault as fault:
            if str(fault) != told:
                output.note(f"the files stay as they are: {fault}")
            told = str(fault)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _once(client: AdminClient, args: argparse.Namespace, *, but: str) -> str:
    """Write what is newer than the digest `but`; the digest of what is there then."""
    query = {"identity": args.name, "dir": str(args.dir)}
    if but:
        query |= {"but": but, "wait_s": f"{_WAIT_S:g}"}
    found = client.post(
        f"/identity/export?{urlencode(query)}", deadline_s=DEADLINE_S + (_WAIT_S if but else 0)
    )
    if "key" in found:
        _write(found, args)
    return str(found["digest"])


def _write(found: Mapping[str, Any], args: argparse.Namespace) -> None:
    from certs.export_folder import export, files_of

    files = files_of(
        key_pem=found["key"].encode(),
        chain_pem=found["chain"].encode(),
        bundle_pem=found["bundle"].encode(),
        combined=args.combined,
    )
    what = f"{found['spiffe_id'] or 'certificate'} serial {found['serial']}"
    if not export(args.dir, files):
        output.line(f"{args.dir} holds {what} already")
        return
    output.line(f"exported {what}, until {found['not_after']}, to {args.dir}")
    output.flush()
    _tell(found, args)


def _tell(found: Mapping[str, Any], args: argparse.Namespace) -> None:
    import asyncio

    from gateway.control_plane.export_hook import hook_environment, run_command, send_signal

    if command := shlex.split(args.exec):
        more = hook_environment(args.dir, found["spiffe_id"], found["serial"], args.name)
        asyncio.run(run_command(command, more))
    if args.signal:
        send_signal(args.signal, args.pid_file)
