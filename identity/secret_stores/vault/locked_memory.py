"""Memory for a key: not swapped out, not in a core dump, not in a child process."""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress


class LockedMemory:
    """Holds a few bytes until they are wiped.

    What Python copies out of it for a moment is beyond its reach; the process around it dumps no
    core either. Where the system doesn't let memory be locked, the rest still holds.
    """

    def __init__(self, data: bytes) -> None:
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._size = len(data)
        for advice in ("MADV_DONTDUMP", "MADV_DONTFORK"):
            with suppress(AttributeError, OSError):
                self._map.madvise(getattr(mmap, advice))
        self.is_locked = _lock(self._map)
        self._map[: self._size] = data

    def __repr__(self) -> str:
        return "LockedMemory(…)"

    def read(self) -> bytes:
        """A copy. After `wipe`, zeros."""
        return self._map[: self._size]

    def wipe(self) -> None:
        """Overwrite what is held."""
        self._map[: self._size] = bytes(self._size)


def _lock(area: mmap.mmap) -> bool:
    if sys.platform == "win32":
        return False
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.mlock(ctypes.c_void_p(start), ctypes.c_size_t(len(area)))) == 0
