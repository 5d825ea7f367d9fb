"""A remote caller of an ingress: the handshake before its connection is one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from gateway.data_plane.downstream import Accepted
from gateway.data_plane.failure import Failure
from gateway.data_plane.reactor import READ
from gateway.data_plane.stream import ConnectionLost, PlainStream, TlsStream
from gateway.data_plane.tls import NoCommonProtocol, arrived_caller, handshake_problem

if TYPE_CHECKING:
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.listener import Listener
    from gateway.data_plane.plane import DataPlane


_FAREWELL_S: Final = 2.0


class Arrival:
    """Shakes hands as the server, then hands stream and caller to the listener.

    Attributes:
        deadline: monotonic seconds at which the handshake, or the farewell, has taken too long.
    """

    __slots__ = (
        "_epoch",
        "_fd",
        "_listener",
        "_mask",
        "_plane",
        "_refused",
        "_stream",
        "deadline",
    )

    def __init__(
        self, plane: DataPlane, listener: Listener, sock: socket.socket, epoch: Epoch
    ) -> None:
        context = epoch.credentials.context
        if context is None:
            raise ValueError("an ingress needs a TLS context")
        self._plane = plane
        self._listener = listener
        self._epoch = epoch
        connection = SSL.Connection(context, sock)
        connection.set_accept_state()
        self._stream = TlsStream(sock, connection)
        self._refused: PlainStream | None = None
        self._fd = sock.fileno()
        self._mask = READ
        self.deadline = plane.reactor.now + plane.limits.connect_timeout_s
        plane.arrivals[self] = None
        plane.reactor.add(self._fd, READ, self._on_event)

    def _on_event(self, _readiness: int) -> None:
        if self._refused is not None:
            self._await_end(self._refused)
            return
        connection = self._stream.connection
        try:
            done = self._stream.handshake()
        except (SSL.Error, NoCommonProtocol) as error:
            problem = handshake_problem(connection, error, "the caller")
            self._note(Failure("handshake_failed", problem))
            self._refuse()
            return
        if done:
            self._arrived(connection)
        else:
            self._watch(self._stream.waits_for)

    def _arrived(self, connection: SSL.Connection) -> None:
        route = self._listener.route
        if self._listener.closed:
            self._fail(Failure("handshake_failed", "the route was removed during the handshake"))
            return
        objection = "" if self._epoch is route.door else route.objection_to(self._stream)
        if objection:
            self._fail(Failure("handshake_failed", objection))
            return
        peers = route.spec.tls.peers
        caller = arrived_caller(connection, peers, self._epoch.credentials.spiffe_id)
        route.note_established(self._stream, "")  # one of many
        self._leave()
        self._listener.take(Accepted(self._stream, self._fd, caller, self._epoch))

    def on_deadline(self) -> None:
        """It takes too long."""
        if self._refused is not None:
            self.abort()
        else:
            self._fail(Failure("handshake_failed", "the handshake was not finished in time"))

    def give_way(self) -> None:
        """Too many shake hands at once, and this one has taken the longest."""
        if self._refused is not None:
            self.abort()
        else:
            self._fail(Failure("handshake_failed", "too many handshakes at once (max_handshakes)"))

    def abort(self) -> None:
        """End it without a word."""
        self._leave()
        self._stream.abort()

    def _fail(self, failure: Failure) -> None:
        self._note(failure)
        self.abort()

    def _note(self, failure: Failure) -> None:
        self._listener.route.note_arrival_failed(self._listener.address, failure)

    def _refuse(self) -> None:
        """The alert that says why was written. To close on bytes that the caller has sent meanwhile
        would reset the connection, and it may never read the alert: read on until it closes.
        """
        self._refused = PlainStream(self._stream.socket)
        self.deadline = self._plane.reactor.now + _FAREWELL_S
        self._watch(READ)
        try:
            self._refused.shutdown_write()
        except ConnectionLost:
            self.abort()

    def _await_end(self, refused: PlainStream) -> None:
        try:
            ended = refused.read() == b""
        except ConnectionLost:
            ended = True
        if ended:
            self.abort()

    def _watch(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self._plane.reactor.modify(self._fd, mask)

    def _leave(self) -> None:
        self._plane.arrivals.pop(self, None)
        self._plane.reactor.remove(self._fd)
