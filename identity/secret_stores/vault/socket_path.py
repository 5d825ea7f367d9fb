"""Unix sockets whose paths are longer than the address of a socket may be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# sun_path of <sys/un.h>: 108 bytes on Linux, 104 on macOS, with the NUL at its end.
_MAX_BYTES: Final = 103


@contextmanager
def reachable(socket: Path) -> Iterator[str]:
    """An address for `socket` that is short enough, for as long as the block runs.

    On Linux a long path is reached through its open folder. Elsewhere it stays as it is, and
    binding or connecting says that it is too long.
    """
    if len(os.fsencode(socket)) <= _MAX_BYTES or sys.platform != "linux":
        yield str(socket)
        return
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
