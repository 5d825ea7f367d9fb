"""Whose process is at the other end of a Unix socket: the kernel says it, not the process."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final

_LINUX: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid
# struct xucred of <sys/ucred.h>: version, uid, number of groups, groups.
_MACOS: Final = struct.Struct("=IIh2x16I")
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


def is_own_process(connection: socket.socket) -> bool:
    """Whether the process at the other end was run by our user. False where that can't be told."""
    return _uid(connection) == os.geteuid()


def _uid(connection: socket.socket) -> int | None:
    try:
        if sys.platform == "linux":
            level, option, layout = socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX
        else:
            level, option, layout = _SOL_LOCAL, _LOCAL_PEERCRED, _MACOS
        found = layout.unpack(connection.getsockopt(level, option, layout.size))
    except (OSError, struct.error, AttributeError):
        return None
    return int(found[1])
