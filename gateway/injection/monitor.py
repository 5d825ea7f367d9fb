"""The process between us and a program that has a terminal of its own.

The kernel stops a program by Ctrl-Z only if its parent is in the same session and another process
group (POSIX, orphaned process groups): we are in another session, so the leader of the terminal's
session stays beside the program, waits for it, and tells us what becomes of it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, cast

Kind = Literal["started", "stopped", "ended"]

_MOST_DESCRIPTORS: Final = 1024


@dataclass(frozen=True, slots=True)
class Report:
    """`number` is the program's process, or the wait status that it ended with."""

    kind: Kind
    number: int


def split_off(terminal: int, report: int) -> None:
    """Called in the leader of the terminal's session. Returns in a child of it, which is the
    terminal's foreground and to become the program; the leader itself reports and ends.
    """
    pid = os.fork()
    if pid:
        _attend(pid, report)
    os.close(report)
    os.setpgid(0, 0)
    # Who isn't the foreground may not make itself that without being stopped.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(terminal, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def reports(data: bytes) -> Iterator[Report]:
    """What was read from the leader: whole reports, because each is written at once."""
    for line in data.splitlines():
        kind, _, number = line.decode().partition(" ")
        if kind in ("started", "stopped", "ended"):
            yield Report(cast("Kind", kind), int(number))


def _attend(pid: int, report: int) -> NoReturn:
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)  # they are for the program
    for fd in range(3, _MOST_DESCRIPTORS):
        if fd != report:
            _close(fd)
    _tell(report, "started", pid)
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            _tell(report, "stopped", pid)
        else:
            _tell(report, "ended", status)
            os._exit(0)


def _tell(report: int, kind: str, number: int) -> None:
    try:
        os.write(report, f"{kind} {number}\n".encode())
    except OSError:
        os._exit(1)  # nobody is there to hear it


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # it was not open
