"""Who this process is, for the journal."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from gateway.audit.event import Actor


def own_actor() -> Actor:
    """This process and its user."""
    return _own(os.getpid(), os.getuid())


def actor_of(pid: int, uid: int) -> Actor:
    """A process that lives, as far as this system tells of it."""
    return Actor(uid=uid, user=_user(uid), pid=pid, exe=_exe(pid), started=_started(pid))


_own = lru_cache(maxsize=1)(actor_of)


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _exe(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return sys.executable if pid == os.getpid() else ""


def _started(pid: int) -> int:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)), behind a name that may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return int(stat.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
