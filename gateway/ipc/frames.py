"""Frames on the socket pair between the supervisor and a worker.

A frame is a one-byte kind, a four-byte big-endian length and a payload. File descriptors of new
listening sockets ride beside the `LISTEN` frame that names them.

Supervisor to worker:
    LISTEN    JSON list of listener ids, with that many descriptors in the same order
    SNAPSHOT  `Snapshot.to_json()`; listeners that it no longer names are closed by the worker
    STATS     empty: asks for a STATS frame
    DRAIN     JSON {"deadline_s": seconds}: stop accepting, finish, then send DRAINED and exit
    RETIRE    JSON {"deadline_s": seconds or null}: the same for a worker that others have taken
              over from; it closes no connection that is only idle, and may have all the time
    SESSIONS  what other workers told of sessions: see `gateway.ipc.sessions`
    RENEWED   JSON {"route": name}: other credentials were asked for; those that were got came in a
              SNAPSHOT before
Worker to supervisor:
    READY     JSON {"pid": int}: the loop runs
    APPLIED   JSON {"number": int}: that snapshot is in use
    STATS     JSON, see `gateway.ipc.stats`
    ACCESS    access-log lines, newline-terminated JSON, ready to be written as they are
    EVENT     JSON {"event": name, …}: see `gateway.ipc.events`
    DRAINED   JSON {"forced": int}: connections that had to be cut at the deadline
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

_HEADER: Final = struct.Struct("!BI")
MAX_PAYLOAD: Final = 64 * 1024 * 1024


class Kind(IntEnum):
    """The kinds of frame."""

    LISTEN = 1
    SNAPSHOT = 2
    STATS = 3
    DRAIN = 4
    READY = 5
    APPLIED = 6
    ACCESS = 7
    EVENT = 8
    DRAINED = 9
    RETIRE = 10
    SESSIONS = 11
    RENEWED = 12


class FrameError(Exception):
    """The peer sent something that is not a frame: the link is unusable."""


def encode(kind: Kind, payload: bytes = b"") -> bytes:
    """One frame as bytes."""
    return _HEADER.pack(kind, len(payload)) + payload


class FrameDecoder:
    """Turns a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield each frame completed by `data`. Raises `FrameError`."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer)
            if length > MAX_PAYLOAD or kind not in Kind.__members__.values():
                raise FrameError(f"bad frame: kind {kind}, {length} bytes")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Kind(kind), payload
