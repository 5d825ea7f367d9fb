"""A remote caller of an ingress: the handshake before its connection is one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from OpenSSL import SSL

from gateway.data_plane.downstream import Accepted
from gateway.data_plane.failure import Failure
from gateway.data_plane.reactor import READ, WRITE
from gateway.data_plane.stream import TlsStream
from gateway.data_plane.tls import NoCommonProtocol, arrived_caller, handshake_problem

if TYPE_CHECKING:
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.listener import Listener
    from gateway.data_plane.plane import DataPlane


class Arrival:
    """Shakes hands as the server, then hands stream and caller to the listener.

    Attributes:
        deadline: monotonic seconds at which the handshake has taken too long.
    """

    __slots__ = ("_epoch", "_fd", "_listener", "_mask", "_plane", "_stream", "deadline")

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
        self._fd = sock.fileno()
        self._mask = READ
        self.deadline = plane.reactor.now + plane.limits.connect_timeout_s
        plane.arrivals[self] = None
        plane.reactor.add(self._fd, READ, self._on_event)

    def _on_event(self, _readiness: int) -> None:
        connection = self._stream.connection
        try:
            done = self._stream.handshake()
        except (SSL.Error, NoCommonProtocol) as error:
            problem = handshake_problem(connection, error, "the caller")
            self._fail(Failure("handshake_failed", problem))
            return
        if not done:
            mask = WRITE if connection.want_write() else READ
            if mask != self._mask:
                self._mask = mask
                self._plane.reactor.modify(self._fd, mask)
            return
        route = self._listener.route
        if self._epoch is not route.door and (objection := route.objection_to(self._stream)):
            self._fail(Failure("handshake_failed", objection))
            return
        peers = route.spec.tls.peers
        caller = arrived_caller(connection, peers, self._epoch.credentials.spiffe_id)
        self._leave()
        self._listener.take(Accepted(self._stream, self._fd, caller, self._epoch))

    def on_deadline(self) -> None:
        """The handshake takes too long."""
        self._fail(Failure("handshake_failed", "the handshake was not finished in time"))

    def give_way(self) -> None:
        """Too many shake hands at once, and this one has taken the longest."""
        self._fail(Failure("handshake_failed", "too many handshakes at once (max_handshakes)"))

    def _fail(self, failure: Failure) -> None:
        self._listener.route.note_arrival_failed(failure)
        self.abort()

    def abort(self) -> None:
        """End it without a word."""
        self._leave()
        self._stream.abort()

    def _leave(self) -> None:
        self._plane.arrivals.pop(self, None)
        self._plane.reactor.remove(self._fd)
