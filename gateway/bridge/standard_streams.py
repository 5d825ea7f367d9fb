"""The lines of standard input and output, without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from enum import Enum
from typing import Final

_CHUNK: Final = 1 << 16
#: Lines that were read and wait; more stay with whoever writes them.
_WAITING: Final = 64


class _End(Enum):
    END = 0


class Lines:
    """Lines from a descriptor, of a file, a pipe or a terminal."""

    def __init__(self, descriptor: int, most_bytes: int) -> None:
        self._descriptor = descriptor
        self._most = most_bytes
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | _End | None] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)
        self._ended = asyncio.Event()
        # A thread of its own that nobody waits for: a read can't be cancelled.
        threading.Thread(target=self._read, daemon=True, name="stdin").start()

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        """Each line without its end; None for one that was too long. Ends with the input."""
        ended = asyncio.ensure_future(self._ended.wait())
        line = asyncio.ensure_future(self._queue.get())
        try:
            while True:
                await asyncio.wait([line, ended], return_when=asyncio.FIRST_COMPLETED)
                if ended.done() or (found := line.result()) is _End.END:
                    return
                self._room.release()
                yield found
                line = asyncio.ensure_future(self._queue.get())
        finally:
            ended.cancel()
            line.cancel()

    def end(self) -> None:
        """Read no more."""
        self._ended.set()

    def _read(self) -> None:
        rest, too_long = bytearray(), False
        try:
            while chunk := os.read(self._descriptor, _CHUNK):
                first, *others = chunk.split(b"\n")
                for part in others:
                    self._put(None if too_long else bytes(rest + first))
                    rest, too_long, first = bytearray(), False, part
                rest += first
                if len(rest) > self._most:
                    rest, too_long = bytearray(), True
            if rest or too_long:
                self._put(None if too_long else bytes(rest))
        except OSError:
            pass
        except RuntimeError:
            return  # the loop has ended
        with contextlib.suppress(RuntimeError):
            self._put(_End.END)

    def _put(self, line: bytes | _End | None) -> None:
        if isinstance(line, bytes) and len(line) > self._most:
            line = None
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, line)


class Output:
    """Whole lines to a descriptor. A reader that went away is told to `lines`, as their end."""

    def __init__(self, descriptor: int, lines: Lines) -> None:
        self._descriptor = descriptor
        self._lines = lines
        self._lock = asyncio.Lock()

    async def write(self, line: bytes) -> None:
        """Write one line; its end is added."""
        async with self._lock:
            try:
                await asyncio.to_thread(_write_all, self._descriptor, line + b"\n")
            except OSError:
                self._lines.end()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
