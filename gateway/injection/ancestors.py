"""Whether a coding agent is behind another process: its marks in that process's environment, or in
those of the processes that started it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.injection.agents import agent_in

_PROC: Final = Path("/proc")
#: Longer chains than any shell's in an editor's.
_MOST: Final = 64


class ProcessGone(Exception):
    """A process has ended, so that nothing can be told of it."""


def agent_behind(pid: int, *, proc: Path = _PROC) -> str:
    """Whose marks are in the environments that a process, and those before it, were started with,
    or "". Environments that can't be read tell nothing: of another user's processes, and of those
    that hide their memory. Where there is no /proc nothing is told.

    Raises:
        ProcessGone: there is no such process any more.
    """
    for environ in _environments(pid, proc):
        if agent := agent_in(environ):
            return agent
    return ""


def agent_behind_us() -> str:
    """Whose marks are in this process's environment, or in those of the processes before it."""
    try:
        return agent_in(os.environ) or agent_behind(os.getppid())
    except ProcessGone:
        return ""


def _environments(pid: int, proc: Path) -> Iterator[dict[str, str]]:
    if not (proc / "self").exists():
        return
    for index in range(_MOST):
        if pid <= 0:
            return
        try:
            environ = _environ(proc / str(pid))
            # Field 4 of /proc/PID/stat (proc_pid_stat(5)), behind a name that may hold anything.
            stat = (proc / str(pid) / "stat").read_bytes()
            pid = int(stat.rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            if index == 0:
                raise ProcessGone(f"process {pid} is gone") from None
            return
        yield environ


def _environ(process: Path) -> dict[str, str]:
    try:
        raw = (process / "environ").read_bytes()
    except PermissionError:
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in raw.split(b"\0") if item)
    return {name: value for name, _, value in pairs}
