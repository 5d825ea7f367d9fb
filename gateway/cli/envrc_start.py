"""Beginning a session of `devwiz-gw envrc`."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.audit.event import Event
from gateway.cli import output
from gateway.cli.envrc import own_text, remove_value_free
from gateway.cli.envrc_holder import all_sessions, hold_apart, hold_here, record_end
from gateway.cli.exit_codes import ExitCode
from gateway.cli.released import approved, gate_of, released
from gateway.cli.secret_scope import Scope, opened_by
from gateway.cli.snapshot import Snapshot
from gateway.config.reading import read
from gateway.config.run_model import InjectedVariable
from gateway.errors import GatewayError
from gateway.injection import direnv, envrc_text, plan
from gateway.injection.envrc_sessions import Lock, Session, Sessions, write_fresh
from gateway.injection.git_exclude import NotKeptOut, keep_out

_PATIENCE_S: Final = 1.0


class EnvrcTaken(GatewayError):
    """There is an `.envrc` that isn't ours to change, or a session already."""


def begin(args: argparse.Namespace, folder: Path, config: Path) -> int:
    """Begin a session; in the foreground this doesn't return.

    Raises:
        Fault: there is one, direnv or a value is missing, or an agent asked.
    """
    program = direnv.find_direnv(os.environ)
    direnv.check_folder(folder)
    sessions = all_sessions()
    session = Session(
        id=envrc_text.session_id(folder),
        folder=str(folder),
        config=str(config),
        project="",
        only=tuple(args.only),
        until=time.time() + args.lasts.total_seconds(),
    )
    # Whoever only looks holds it for a moment.
    lock = sessions.lock(session.id, patience_s=_PATIENCE_S)
    if lock is None:
        raise EnvrcTaken(f"there is a session in {folder} already", hint="devwiz-gw envrc stop")
    try:
        names = _prepare(args, session, sessions, lock, program)
        _say(session, names)
        if args.foreground:
            hold_here(session.id, lock)
        hold_apart(session.id, lock)
    except BaseException:
        begun = sessions.end(session.id)
        if begun is not None:
            record_end(begun, "it could not begin")
        raise
    finally:
        lock.close()
    return ExitCode.OK


def _prepare(
    args: argparse.Namespace, session: Session, sessions: Sessions, lock: Lock, program: str
) -> list[str]:
    """Everything but the process that keeps it; the names of the variables."""
    snapshot = Snapshot.of(read(Path(session.config)))
    manifest = snapshot.manifest()
    with opened_by(snapshot) as scope:
        session = replace(session, project=scope.project)
        chosen = plan.chosen(manifest, only=args.only, more=(), project=scope.project)
        if not chosen:
            raise GatewayError(
                "there are no variables under [run.env]", hint="add one to the configuration"
            )
        _refuse_taken(session.envrc, Path(session.folder), literal=args.literal)
        text = _text(args, session, scope, chosen)
        if args.literal:
            head = text.partition("\n")[0] + "\n"
            approval = direnv.approval(session.envrc, text, os.environ)
            session = replace(session, head=head, approval=str(approval))
        _keep_out(session.envrc, literal=args.literal)
        _record_start(scope, session, chosen)
    stamp = sessions.write(session, lock, now=time.time())
    if args.literal:
        remove_value_free(Path(session.folder))
    _put(session.envrc, text, stamp, literal=args.literal)
    if _is(session.envrc, text):
        direnv.allow(program, session.envrc, os.environ)
    return [item.name for item in chosen]


def _text(
    args: argparse.Namespace, session: Session, scope: Scope, chosen: tuple[InjectedVariable, ...]
) -> str:
    if not args.literal:
        approved(gate_of(scope, chosen), scope, chosen, program="shells")
        return own_text(Path(session.folder))
    values = released(scope, chosen, program="shells", delivery="envrc --literal")
    plan.check_fits(values)
    head = envrc_text.literal_head(session.id, secrets.token_hex(16))
    return head + envrc_text.exports(session.id, values)


def _refuse_taken(file: Path, folder: Path, *, literal: bool) -> None:
    """An `.envrc` of ours without values may be there; so may, without `literal`, one that has our
    lines among its own.
    """
    if not file.is_symlink() and not file.exists():
        return
    ours = own_text(folder)
    try:
        found = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        found = ""
    if found == ours or (not literal and ours in found):
        return
    raise EnvrcTaken(
        f"{file} is yours, and stays as it is",
        hint="with 'devwiz-gw envrc print >> .envrc && direnv allow' it loads sessions too"
        if not literal
        else "leave --literal out, and add what 'devwiz-gw envrc print' prints to it",
    )


def _keep_out(file: Path, *, literal: bool) -> None:
    """Have git ignore a file that we make. One without values does no harm where git has it."""
    if literal or not file.exists():
        with contextlib.suppress(*() if literal else (NotKeptOut,)):
            keep_out(file, os.environ)


def _put(file: Path, text: str, stamp: int, *, literal: bool) -> None:
    try:
        write_fresh(file, text, stamp=stamp)
    except FileExistsError:
        if literal:
            raise EnvrcTaken(f"{file} has come meanwhile", hint="look at what it is") from None


def _is(file: Path, text: str) -> bool:
    return file.read_text(encoding="utf-8") == text


def _record_start(scope: Scope, session: Session, chosen: tuple[InjectedVariable, ...]) -> None:
    scope.journal.write(
        Event(
            action="envrc.start",
            outcome="ok",
            name=session.folder,
            more={
                "variables": [item.name for item in chosen],
                "literal": bool(session.head),
                "until": datetime.fromtimestamp(int(session.until)).astimezone().isoformat(),
            },
        )
    )


def _say(session: Session, names: list[str]) -> None:
    until = datetime.fromtimestamp(session.until).astimezone()
    output.note(
        f"until {until:%Y-%m-%d %H:%M} direnv gives {', '.join(names)} to shells in "
        f"{session.folder}"
    )
