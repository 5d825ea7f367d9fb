"""What a process gives up at its start, so that the keys in its memory stay there."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def harden_process() -> None:
    """Private files, no core dumps, and on Linux no debugger or /proc/PID/mem of the same user.

    Each process does it for itself: `exec` resets the last.
    """
    os.umask(0o077)
    if os.name != "posix":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def gain_no_privileges() -> None:
    """No program that this process or its children start has more rights than they (prctl(2)): the
    kernel asks for it before it takes a filter or a ruleset from a process that isn't root's.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
