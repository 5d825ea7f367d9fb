"""A route of a worker inside the test's process, over real sockets: bytes go in piece by piece, and
between two pieces everything that follows from the first has happened.
"""

from __future__ import annotations

import socket
import tempfile
from contextlib import suppress
from typing import Self, TypeVar

from gateway.data_plane.caller import Caller
from gateway.data_plane.client import ClientConnection
from gateway.data_plane.downstream import Accepted
from gateway.data_plane.epoch import PLAINTEXT, Epoch
from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.listener import Listener
from gateway.data_plane.plane import DataPlane
from gateway.data_plane.reactor import READ
from gateway.data_plane.route import Route
from gateway.data_plane.stream import PlainStream
from gateway.ipc.snapshot import ListenerSpec, UpstreamSpec
from tests.fakes.recording_reader import RecordingReader, Served
from tests.fakes.routes import AUTHORITY, route_spec
from tests.fakes.two_requests import upstream_answer


class FarEnd:
    """The test's end of a connection of the worker's.

    Attributes:
        ended: "" while it is open, else "closed" or "reset".
    """

    def __init__(self, relay: Relay, sock: socket.socket) -> None:
        self._relay = relay
        self.socket = sock
        self._untaken = b""
        self.ended = ""

    def send(self, *pieces: bytes) -> None:
        """Each piece is read by itself, unless the worker has closed."""
        for piece in pieces:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.socket.sendall(piece)
            self._relay.settle()

    def close(self) -> None:
        """End the connection."""
        self.ended = "closed"
        self.socket.close()
        self._relay.settle()

    def take(self) -> bytes:
        """The bytes that came since the last call."""
        self.pull()
        new, self._untaken = self._untaken, b""
        return new

    def pull(self) -> None:
        """Leave the worker room to write."""
        while not self.ended:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionResetError:
                self.ended = "reset"
                return
            if not data:
                self.ended = "closed"
            self._untaken += data


class Upstream(FarEnd):
    """A remote agent that answers each request with its target."""

    def __init__(self, relay: Relay, sock: socket.socket) -> None:
        super().__init__(relay, sock)
        self.reader = RecordingReader()

    def serve(self) -> bool:
        """Answer what came; whether anything did."""
        new = self.take()
        for request in self.reader.feed(new):
            self._relay.served.append(request)
            self.socket.sendall(upstream_answer(request.method, request.target))
        return bool(new)


class Relay:
    """A context manager.

    Attributes:
        upstreams: connections that the worker made, in order.
        served: the whole requests that came on them, in order.
        answers: whether upstreams read and answer by themselves.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.upstreams: list[Upstream] = []
        self.served: list[Served] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        path = f"{self._folder.name}/upstream"
        self._far = socket.socket(socket.AF_UNIX)
        self._far.setblocking(False)
        self._far.bind(path)
        self._far.listen()
        self._plane = DataPlane(lambda event, **fields: None)
        upstream = UpstreamSpec(authority=AUTHORITY, addresses=((path, 0),), resolve_error="")
        self._route = Route(self._plane, route_spec(upstream=upstream))
        self._route.epoch = Epoch(PLAINTEXT, AUTHORITY)
        spec = ListenerSpec(id="l", address="l", hosts=(), origins=())
        listening = socket.create_server(("127.0.0.1", 0))
        self._listener = Listener(self._plane, spec, listening, self._route)
        self._ends: list[FarEnd] = []
        self._bell, self._button = socket.socketpair()
        self._plane.reactor.add(self._bell.fileno(), READ, self._on_bell)
        return self

    def __exit__(self, *_: object) -> None:
        for client in list(self._plane.clients):
            client.close()
        self._route.pool.retire_idle("end")
        for connection in list(self._route.pool.connections):
            connection.retire("end")
        self._listener.close()
        for end in self._ends:
            end.socket.close()
        for sock in (self._far, self._bell, self._button):
            sock.close()
        self._folder.cleanup()
        self._plane.reactor._poller.close()  # type: ignore[attr-defined]

    @property
    def rules(self) -> HeaderRules:
        """The route's header rules."""
        return self._route.rules

    def connect(self) -> FarEnd:
        """A client's connection."""
        near, far = socket.socketpair()
        near.setblocking(False)
        caller = Caller(self._plane.own_uid)
        accepted = Accepted(PlainStream(near), near.fileno(), caller)
        self._plane.clients.add(ClientConnection(self._plane, self._listener, accepted))
        return self._kept(FarEnd(self, far))

    def settle(self) -> None:
        """Let the worker, and the upstreams if they answer, do all that there is to do."""
        self._turn()
        while self._accept() or (self.answers and self._serve()):
            self._turn()
        for end in self._ends:
            end.pull()

    def _serve(self) -> bool:
        served = [upstream.serve() for upstream in self.upstreams if not upstream.ended]
        return any(served)

    def _accept(self) -> bool:
        try:
            sock, _ = self._far.accept()
        except BlockingIOError:
            return False
        self.upstreams.append(self._kept(Upstream(self, sock)))
        return True

    def _kept(self, end: End) -> End:
        end.socket.setblocking(False)
        self._ends.append(end)
        return end

    def _turn(self) -> None:
        for _ in range(2):  # what one event made ready is handled too
            self._button.send(b"!")
            self._plane.reactor.run()

    def _on_bell(self, _readiness: int) -> None:
        self._bell.recv(1)
        self._plane.reactor.stop()


End = TypeVar("End", bound=FarEnd)
