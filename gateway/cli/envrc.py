"""`devwiz-gw envrc`: the project's variables in shells, by direnv, for the time of a session."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.cli import output
from gateway.cli.envrc_holder import all_sessions, sweep_sessions
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, UsageError, add_commands, duration
from gateway.errors import GatewayError
from gateway.injection import envrc_text
from gateway.injection.envrc_sessions import ENVRC, Session

_USUAL: Final = timedelta(hours=12)
_LONGEST: Final = timedelta(days=7)
#: Ourselves, for an `.envrc`: isolated, so that its folder adds no code.
COMMAND: Final = (sys.executable, "-I", "-m", "gateway")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `envrc`."""
    commands = add_commands(parser)
    _add_start(commands)
    stop = commands.add(
        "stop",
        summary="end a session: shells forget its variables at their next prompt",
        examples=("devwiz-gw envrc stop", "devwiz-gw envrc stop --all"),
        run=_stop,
    )
    _add_folder(stop)
    stop.add_argument("--all", action="store_true", help="end the sessions of all folders")
    stop.add_argument("--remove", action="store_true", help="remove the .envrc without values too")
    status = commands.add(
        "status",
        summary="show the sessions that last",
        examples=("devwiz-gw envrc status", "devwiz-gw envrc status --json"),
        run=_status,
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    printing = commands.add(
        "print",
        summary="print the .envrc without values, to be put into one of your own",
        examples=("devwiz-gw envrc print >> .envrc && direnv allow",),
        run=_print,
    )
    _add_folder(printing)
    export = commands.add(
        "export",
        summary="print a session's variables for direnv, as commands of bash",
        examples=('eval "$(devwiz-gw envrc export --session 0123456789abcdef)"',),
        run=_export,
    )
    export.add_argument("--session", required=True, metavar="ID", help="as the .envrc has it")


def _add_start(commands: Commands) -> None:
    start = commands.add(
        "start",
        summary="begin a session: shells in the folder get the variables of [run.env]",
        examples=(
            "devwiz-gw envrc start",
            "devwiz-gw envrc start --only OPENAI_API_KEY --for 2h",
            "devwiz-gw envrc start --literal --foreground",
        ),
        run=_start,
    )
    _add_folder(start)
    start.add_argument(
        "--only",
        metavar="NAMES",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        help="of the variables under [run.env] only these, separated by commas",
    )
    start.add_argument(
        "--for",
        dest="lasts",
        metavar="TIME",
        type=_length,
        default=_USUAL,
        help="how long it lasts at most, like 45m or 8h, up to 7d (default: 12h)",
    )
    start.add_argument(
        "--literal",
        action="store_true",
        help="write the values into the .envrc, which is removed when the session ends",
    )
    start.add_argument(
        "--foreground", action="store_true", help="stay, and end the session at Ctrl-C"
    )


def _length(text: str) -> timedelta:
    length = duration(text)
    if not timedelta() < length <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is not between 1s and 7d")
    return length


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        help="where the .envrc is (default: where the configuration is, if that is this folder or "
        "one above, else this folder)",
    )


def _start(args: argparse.Namespace) -> int:
    from gateway.cli.envrc_start import begin

    sweep_sessions()
    folder, config = _place(args)
    return begin(args, folder, config)


def _stop(args: argparse.Namespace) -> int:
    sweep_sessions()
    sessions = all_sessions()
    wanted = None if args.all else envrc_text.session_id(_place(args)[0])
    ended = [session for session in sessions.all() if wanted in {None, session.id}]
    for session in ended:
        sessions.stop(session.id)
        output.note(f"the session in {session.folder} is ended; shells notice at their next prompt")
    if args.remove:
        folders = [Path(session.folder) for session in ended] if args.all else [_place(args)[0]]
        for folder in folders:
            if remove_value_free(folder):
                output.note(f"{folder / ENVRC} is removed")
    if not ended:
        output.note("there is no session to end")
    return ExitCode.OK


def _status(args: argparse.Namespace) -> int:
    sweep_sessions()
    found = all_sessions().all()
    if args.json:
        output.document({"sessions": [_facts(session) for session in found]})
        return ExitCode.OK
    if not found:
        output.note("there is no session")
        return ExitCode.OK
    rows = [
        (
            session.folder,
            ", ".join(session.only) or "all",
            f"in {ENVRC}" if session.head else "in the store",
            output.duration(session.until - time.time()),
        )
        for session in found
    ]
    for line in output.table(("FOLDER", "VARIABLES", "VALUES", "ENDS IN"), rows):
        output.line(line)
    return ExitCode.OK


def _facts(session: Session) -> Mapping[str, object]:
    return {
        "id": session.id,
        "project": session.project,
        "folder": session.folder,
        "config": session.config,
        "only": list(session.only),
        "literal": bool(session.head),
        "until": datetime.fromtimestamp(int(session.until)).astimezone().isoformat(),
    }


def _print(args: argparse.Namespace) -> int:
    output.line(own_text(_place(args)[0]).rstrip("\n"))
    return ExitCode.OK


def _export(args: argparse.Namespace) -> int:
    from gateway.cli.released import released
    from gateway.cli.secret_scope import opened_by
    from gateway.cli.snapshot import Snapshot
    from gateway.config.reading import read
    from gateway.injection import plan

    if sys.stdout.isatty():
        raise UsageError(
            "values are not shown on a terminal", hint="it is for the .envrc to call this"
        )
    sessions = all_sessions()
    session = Session.read(sessions.file(args.session)) if args.session.isalnum() else None
    if session is None or not sessions.is_held(session.id):
        raise GatewayError(
            "there is no such session, or it has ended", hint="devwiz-gw envrc start"
        )
    snapshot = Snapshot.of(read(Path(session.config)))
    manifest = snapshot.manifest()
    with opened_by(snapshot) as scope:
        chosen = plan.chosen(manifest, only=session.only, more=(), project=scope.project)
        values = released(scope, chosen, program="direnv", delivery="envrc")
    plan.check_fits(values)
    output.write(envrc_text.exports(session.id, values))
    return ExitCode.OK


def _place(args: argparse.Namespace) -> tuple[Path, Path]:
    """The folder that is meant, and the configuration, by absolute paths."""
    from gateway.config.find import find_config

    here = Path.cwd()
    config = find_config(args.config, cwd=here, env=os.environ).absolute()
    if args.folder is not None:
        if not args.folder.is_dir():
            raise UsageError(f"{args.folder} is no folder", hint="name one that is there")
        return args.folder.resolve(), config
    home = config.parent.resolve()
    return (home if here.resolve().is_relative_to(home) else here.resolve()), config


def own_text(folder: Path) -> str:
    """The `.envrc` without values of a folder."""
    session = envrc_text.session_id(folder)
    return envrc_text.value_free(session, all_sessions().file(session), COMMAND)


def remove_value_free(folder: Path) -> bool:
    """Remove an `.envrc` if it is just ours, without values."""
    file = folder / ENVRC
    try:
        is_ours = not file.is_symlink() and file.read_text(encoding="utf-8") == own_text(folder)
    except (OSError, UnicodeDecodeError):
        return False
    if is_ours:
        file.unlink(missing_ok=True)
    return is_ours
