"""A worker that speaks the frames and answers every connection with its own pid.

Run as `python worker.py [MODE] FD`. Modes: "mute" never says READY, "crash" exits at once, "deaf"
takes no notice of DRAIN, "holding" retires only when it is given a deadline, "unless:PATH" exits at
once where that file exists, "babbling:KIND:TEXT" answers STATS with a frame of that kind (a
number) and payload, "chatty" sends one of each event and an access line after a snapshot. Each
logs what it hears of sessions.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.ipc import events
from gateway.ipc.frames import FrameDecoder, Kind, encode
from gateway.ipc.snapshot import Snapshot
from gateway.ipc.stats import RouteStats, WorkerStats


class FakeWorker:
    def __init__(self, link: socket.socket, mode: str) -> None:
        self._link = link
        self._mode = mode
        self._decoder = FrameDecoder()
        self._selector = selectors.DefaultSelector()
        self._descriptors: list[int] = []
        self._listeners: dict[str, socket.socket] = {}
        self._snapshot: Snapshot | None = None
        self._served = 0
        self._done = False
        self._retired = False

    def run(self) -> None:
        self._selector.register(self._link, selectors.EVENT_READ, self._read)
        self._send(Kind.READY, {"pid": os.getpid()})
        while not self._done:
            for key, _ in self._selector.select(10):
                key.data(key.fileobj)

    def _send(self, kind: Kind, body: object) -> None:
        self._link.sendall(encode(kind, json.dumps(body).encode()))

    def _read(self, _: object) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._link, 65_536, 253)
        self._descriptors += descriptors
        if not data:
            self._done = True
        for kind, payload in self._decoder.feed(data):
            self._take(kind, payload)

    def _take(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.LISTEN:
            for name in json.loads(payload):
                listening = socket.socket(fileno=self._descriptors.pop(0))
                self._listeners[name] = listening
                self._selector.register(listening, selectors.EVENT_READ, self._accept)
        elif kind is Kind.SNAPSHOT:
            self._apply(Snapshot.from_json(payload))
        elif kind is Kind.STATS and self._mode.startswith("babbling"):
            _, number, text = self._mode.split(":", 2)
            self._link.sendall(encode(Kind(int(number)), text.encode()))
        elif kind is Kind.STATS:
            self._link.sendall(encode(Kind.STATS, self._stats().to_json()))
        elif kind is Kind.DRAIN and self._mode != "deaf":
            self._send(Kind.DRAINED, {"forced": 0})
            self._done = True
        elif kind is Kind.SESSIONS:
            message = f"{os.getpid()} {payload.decode()}"
            self._link.sendall(encode(Kind.EVENT, events.encode_event(events.LOG, message=message)))
        elif kind is Kind.RETIRE:
            self._retire(json.loads(payload)["deadline_s"])

    def _retire(self, deadline_s: float | None) -> None:
        for listening in self._listeners.values():
            self._selector.unregister(listening)
            listening.close()
        self._listeners.clear()
        self._retired = True
        if self._mode != "holding" or deadline_s is not None:
            self._send(Kind.DRAINED, {"forced": 0})
            self._done = True

    def _apply(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        named = {item.id for route in snapshot.routes for item in route.listeners}
        for name in self._listeners.keys() - named:
            listening = self._listeners.pop(name)
            self._selector.unregister(listening)
            listening.close()
        assert self._retired or named == set(self._listeners)
        self._send(Kind.APPLIED, {"number": snapshot.number})
        if self._mode == "chatty":
            self._chat(snapshot)

    def _chat(self, snapshot: Snapshot) -> None:
        route = snapshot.routes[0].name
        generation = snapshot.identities[0].generation if snapshot.identities else 0
        for event in (
            events.encode_event(
                events.LATE_ALERT,
                route=route,
                identity="default",
                alert="certificate_revoked",
                cause="revoked",
                generation=generation,
            ),
            events.encode_event(events.LOG, level="warning", message="hello", module="x"),
            events.encode_event(events.ROUTE_REJECTED, route=route, reason="bad bundle"),
        ):
            self._link.sendall(encode(Kind.EVENT, event))
        self._link.sendall(encode(Kind.ACCESS, b'{"access":1}\n'))

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return
        with connection:
            connection.setblocking(True)
            connection.recv(65_536)
            self._served += 1
            body = str(os.getpid()).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)

    def _stats(self) -> WorkerStats:
        assert self._snapshot is not None
        route = RouteStats(requests={"200": self._served}, active=1)
        routes = {spec.name: route for spec in self._snapshot.routes[:1]}
        return WorkerStats(
            pid=os.getpid(), snapshot=self._snapshot.number, routes=routes, open_connections=3
        )


def command(mode: str = "") -> Sequence[str]:
    """What starts this fake; the pool appends the descriptor."""
    return [sys.executable, "-I", __file__, *([mode] if mode else [])]


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 2 else ""
    if chosen == "crash" or (
        chosen.startswith("unless:") and Path(chosen.removeprefix("unless:")).exists()
    ):
        sys.exit("cannot go on")
    with socket.socket(fileno=int(sys.argv[-1])) as pair:
        if chosen == "mute":
            pair.recv(1)
        else:
            FakeWorker(pair, chosen).run()
