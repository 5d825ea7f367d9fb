"""The process that keeps a session of `devwiz-gw envrc`, and ends it.

It holds the session's lock, knows no value, and ends by a signal, when the time is up, or when the
session's file is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.audit.event import Event
from gateway.audit.files import journal_path, user_state_folder
from gateway.audit.journal import AuditFailed, Journal
from gateway.errors import GatewayError
from gateway.injection.envrc_sessions import Lock, Session, Sessions

#: Isolated: neither the working folder nor PYTHON… variables add code to it.
_COMMAND: Final = (sys.executable, "-I", "-m", "gateway.cli.envrc_holder")
_INHERITED: Final = ("HOME", "USER", "XDG_STATE_HOME", "TMPDIR")
#: How often it looks whether the session was ended by somebody else.
_LOOK_S: Final = 1.0
_READY: Final = b"held\n"


def all_sessions() -> Sessions:
    """The user's sessions."""
    return Sessions(user_state_folder(os.environ) / ".envrc")


def hold_apart(session_id: str, lock: Lock) -> None:
    """Let a process of its own keep the session, which outlives this one.

    Raises:
        GatewayError: it can't be started.
    """
    with subprocess.Popen(  # noqa: S603 - our own module
        [*_COMMAND, session_id, str(lock.fd), "apart"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        pass_fds=[lock.fd],
        cwd="/",
        # Ctrl-C in this terminal, and its end, are not the session's.
        start_new_session=True,
    ) as process:
        is_ready = process.stdout is not None and process.stdout.read(len(_READY)) == _READY
        if not is_ready:
            process.wait()
            raise GatewayError(
                "the process that is to keep the session ended at once",
                hint="try 'devwiz-gw envrc start --foreground'",
            )
        process.returncode = 0  # it lives on, and nobody waits for it


def hold_here(session_id: str, lock: Lock) -> None:
    """Become the process that keeps the session. Doesn't return."""
    os.set_inheritable(lock.fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(_COMMAND[0], [*_COMMAND, session_id, str(lock.fd)], _environment())  # noqa: S606


def sweep_sessions() -> None:
    """End the sessions whose process was killed. Raises `AuditFailed`."""
    for session in all_sessions().sweep():
        record_end(session, "its process was gone")


def record_end(session: Session, reason: str) -> None:
    """Put a session's end into its project's journal. Raises `AuditFailed`."""
    journal = Journal(journal_path(session.project, os.environ), project=session.project)
    journal.write(Event(action="envrc.stop", outcome="ok", name=session.folder, reason=reason))


def main(argv: Sequence[str]) -> None:
    """Hold the session; `argv`: its id, the lock's descriptor, "apart" if nobody looks on."""
    session_id, fd, *apart = argv
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    Lock(int(fd)).take()
    if apart:
        os.write(1, _READY)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
    sessions = all_sessions()
    reason = _wait(sessions.file(session_id), told)
    session = sessions.end(session_id)
    if session is not None:
        try:
            record_end(session, reason)
        except AuditFailed as failed:
            sys.exit(f"error: {failed}")


def _wait(file: Path, told: threading.Event) -> str:
    """Why the session ends."""
    while (session := Session.read(file)) is not None:
        left_s = session.until - time.time()
        if left_s <= 0:
            return "its time is up"
        if told.wait(min(_LOOK_S, left_s)):
            return "told to"
    return "its file is gone"


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


if __name__ == "__main__":
    main(sys.argv[1:])
