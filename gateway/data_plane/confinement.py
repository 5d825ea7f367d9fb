"""What a worker takes from itself before it reads a byte from a caller.

Whoever takes a worker over by what it parses shall get its connections and nothing else: no file of
the user's, no program, no session bus and so no keychain. It needs nothing but Python's own files;
sockets that listen, keys and tokens come from the supervisor.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from gateway.ipc.grants import OTHER_PROGRAMS, UNIX_SOCKETS
from identity import landlock, seccomp

#: Where modules that are imported late, their libraries and the time zone are.
_SYSTEM: Final = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/nix/store"),
    *("/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/proc/self"),
)


def confine(grants: Collection[str]) -> None:
    """Take what the kernel lets a process take from itself; a kernel without it is no failure.

    Landlock hides other processes, so it can't be where a rule for callers names a program.

    Raises:
        OSError: the kernel has it and refuses.
    """
    if OTHER_PROGRAMS not in grants:
        landlock.read_only(_readable())
    seccomp.refuse_calls(unix_sockets=UNIX_SOCKETS in grants)


def _readable() -> Iterator[Path]:
    yield from (Path(place) for place in _SYSTEM)
    yield from (Path(place) for place in {sys.prefix, sys.base_prefix, *sys.path} if place)
