"""One end of the socket pair to a worker: frames out, with descriptors, and frames in."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from gateway.ipc.frames import FrameDecoder, FrameError, Kind, encode

#: Unread bytes towards one worker beyond which it is taken for hung.
MAX_QUEUED_BYTES: Final = 128 * 1024 * 1024

_READ_SIZE: Final = 256 * 1024


class WorkerLink:
    """Frames over a non-blocking stream socket; `send` never waits."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._queued_bytes = 0
        self._watching = False
        self._closed = False

    def send(self, kind: Kind, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Queue a frame. The descriptors are copied: the caller may close its own at once.

        Nothing happens when the worker is gone; its end shows in `frames`.

        Raises:
            FrameError: the worker has not read for so long that the queue is full.
        """
        if self._closed:
            return
        frame = encode(kind, payload)
        if self._queued_bytes + len(frame) > MAX_QUEUED_BYTES:
            raise FrameError("the worker does not read")
        copies = tuple(os.dup(descriptor) for descriptor in descriptors)
        self._queue.append((memoryview(frame), copies))
        self._queued_bytes += len(frame)
        if not self._watching:
            self._flush()

    async def frames(self) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Each frame from the worker until it closes its end. Raises `FrameError`."""
        decoder = FrameDecoder()
        while not self._closed:
            try:
                data = await self._loop.sock_recv(self._sock, _READ_SIZE)
            except OSError:
                return
            if not data:
                return
            for frame in decoder.feed(data):
                yield frame

    def close(self) -> None:
        """Drop what is queued and close the socket: the worker sees the end of the stream."""
        if not self._closed:
            self._closed = True
            self._clear()
            self._sock.close()

    def _flush(self) -> None:
        try:
            while self._queue:
                self._send_first()
        except BlockingIOError:
            if not self._watching:
                self._loop.add_writer(self._sock, self._flush)
                self._watching = True
            return
        except OSError:
            self._clear()
        self._unwatch()

    def _send_first(self) -> None:
        data, descriptors = self._queue[0]
        if descriptors:
            sent = socket.send_fds(self._sock, [data], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            sent = self._sock.send(data)
        self._queued_bytes -= sent
        if sent == len(data):
            self._queue.popleft()
        else:
            self._queue[0] = (data[sent:], ())

    def _unwatch(self) -> None:
        if self._watching:
            self._loop.remove_writer(self._sock)
            self._watching = False

    def _clear(self) -> None:
        self._unwatch()
        for _, descriptors in self._queue:
            for descriptor in descriptors:
                os.close(descriptor)
        self._queue.clear()
        self._queued_bytes = 0
