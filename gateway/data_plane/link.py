"""The worker's end of the socket pair to its supervisor."""

from __future__ import annotations

import array
import json
import socket
from math import inf
from typing import Final

from gateway.data_plane.plane import DataPlane
from gateway.data_plane.reactor import READ, WRITE
from gateway.ipc.events import encode_event
from gateway.ipc.frames import FrameDecoder, FrameError, Kind, encode
from gateway.ipc.sessions import decode_changes
from gateway.ipc.snapshot import Snapshot

_MOST_DESCRIPTORS: Final = 250
_MOST_QUEUED: Final = 4 * 1024 * 1024
_STATS_EVERY: Final = 2


class SupervisorLink:
    """Carries snapshots in and events out. When the supervisor is gone the worker ends: without
    it there is nobody to renew the identity or to stop us.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._decoder = FrameDecoder()
        self._descriptors: list[int] = []
        self._out = bytearray()
        self._dropped = 0
        self._ticks = 0
        self._drain_deadline: float | None = None
        self.plane = DataPlane(self._tell)
        self.plane.on_tick = self._on_tick
        self.plane.on_lines = self._hand_on_access_lines
        self._reactor = self.plane.reactor
        self._reactor.add(sock.fileno(), READ, self._on_event)

    def run(self) -> None:
        """Serve until the supervisor says or goes."""
        self.plane.callers.open()
        self._send(Kind.READY, json.dumps({"pid": self.plane.stats().pid}).encode())
        self._reactor.run()
        self.plane.callers.close()

    # -- in --------------------------------------------------------------------------------------

    def _on_event(self, readiness: int) -> None:
        if readiness & WRITE:
            self._flush()
        if not readiness & ~WRITE:
            return
        try:
            data, ancillary, _flags, _address = self._socket.recvmsg(
                1 << 20, socket.CMSG_SPACE(_MOST_DESCRIPTORS * 4)
            )
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors += _as_integers(payload)
        if not data:
            self._reactor.stop()
            return
        try:
            for frame, payload in self._decoder.feed(data):
                self._on_frame(frame, payload)
        except FrameError:
            self._reactor.stop()

    def _on_frame(self, kind: Kind, payload: bytes) -> None:
        if kind == Kind.LISTEN:
            for listener_id in json.loads(payload):
                self.plane.add_socket(listener_id, socket.socket(fileno=self._descriptors.pop(0)))
        elif kind == Kind.SNAPSHOT:
            snapshot = Snapshot.from_json(payload)
            self.plane.apply(snapshot)
            self._send(Kind.APPLIED, json.dumps({"number": snapshot.number}).encode())
        elif kind == Kind.SESSIONS:
            self.plane.sessions.merge(decode_changes(payload), self._reactor.now)
        elif kind == Kind.RENEWED:
            self.plane.renewed(json.loads(payload)["route"])
        elif kind == Kind.STATS:
            self._send_stats()
        elif kind in (Kind.DRAIN, Kind.RETIRE):
            limit = json.loads(payload)["deadline_s"]
            self._drain_deadline = inf if limit is None else self._reactor.now + float(limit)
            if kind == Kind.DRAIN:
                self.plane.drain()
            else:
                self.plane.retire()
            self._end_when_drained()

    # -- out -------------------------------------------------------------------------------------

    def _tell(self, event: str, **fields: object) -> None:
        if len(self._out) > _MOST_QUEUED:
            return  # a supervisor that doesn't read gets no more to read
        self._send(Kind.EVENT, encode_event(event, **fields))

    def _send_stats(self) -> None:
        self._hand_on_access_lines()  # first the lines, then the numbers that count them
        stats = self.plane.stats()
        stats.access_lines_dropped = self._dropped
        self._send(Kind.STATS, stats.to_json())

    def _send(self, kind: Kind, payload: bytes) -> None:
        self._out += encode(kind, payload)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            self._reactor.modify(self._socket.fileno(), READ | WRITE)
            return
        except OSError:
            self._reactor.stop()
            return
        self._reactor.modify(self._socket.fileno(), READ)

    # -- time ------------------------------------------------------------------------------------

    def _on_tick(self) -> None:
        self._ticks += 1
        if self._ticks % _STATS_EVERY == 0:
            self._send_stats()
        else:
            self._hand_on_access_lines()
        if self._drain_deadline is not None:
            self._end_when_drained()

    def _hand_on_access_lines(self) -> None:
        lines = self.plane.access_log.lines
        if not lines:
            return
        if len(self._out) > _MOST_QUEUED:
            self._dropped += len(lines)
        else:
            self._send(Kind.ACCESS, b"".join(lines))
        lines.clear()

    def _end_when_drained(self) -> None:
        deadline = self._drain_deadline
        if not self.plane.drained and deadline is not None and self._reactor.now < deadline:
            return
        forced = self.plane.force()
        self._send_stats()
        self._send(Kind.DRAINED, json.dumps({"forced": forced}).encode())
        self._reactor.stop()


def _as_integers(payload: bytes) -> list[int]:
    numbers = array.array("i")
    numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
    return numbers.tolist()
