"""One attempt to reach an upstream: connect, shake hands, check the peer's name."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from certs.errors import PeerRejected
from gateway.data_plane.access_log import in_json
from gateway.data_plane.failure import Failure, Missed
from gateway.data_plane.liveness import keep_alive
from gateway.data_plane.reactor import WRITE
from gateway.data_plane.stream import PlainStream, Stream, TlsStream
from gateway.data_plane.tls import handshake_problem, verified_peer

if TYPE_CHECKING:
    from gateway.data_plane.endpoint import Endpoint
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.route import Route

#: For one of many addresses.
_LEAST_S: Final = 1.0


class Dial:
    """Tells its pool once what came of it: `established` with a stream on which not a byte of a
    request was written yet, or `not_established`.

    Attributes:
        epoch: the identity and bundle that are shown.
        endpoint: where it leads; `others` are dialled should it fail, until `give_up`.
        missed: what came of the addresses dialled before it for the same request.
        deadline: monotonic seconds at which this attempt is over.
        made_at: monotonic seconds at which the connection stood.
        label: what access-log lines say of it: a part of their JSON.
        stream: to be taken over when established, with `fd`.
    """

    __slots__ = (
        "_error",
        "_handshake",
        "_mask",
        "_reactor",
        "_route",
        "_socket",
        "deadline",
        "endpoint",
        "epoch",
        "fd",
        "give_up",
        "label",
        "made_at",
        "missed",
        "others",
        "stream",
    )

    def __init__(
        self,
        route: Route,
        epoch: Epoch,
        endpoint: Endpoint,
        *,
        others: tuple[Endpoint, ...],
        missed: tuple[Missed, ...],
        deadline: float,
    ) -> None:
        address = endpoint.address
        sock = _open_socket(address)
        self._route = route
        self._reactor = route.plane.reactor
        self._socket = sock
        self._handshake: TlsStream | None = None
        context = epoch.credentials.context
        self.stream: Stream
        if context is None:
            self.stream = PlainStream(sock)
        else:
            self.stream = TlsStream(sock, SSL.Connection(context, sock))
        self.fd = sock.fileno()
        self.epoch = epoch
        self.endpoint = endpoint
        self.others = others
        self.missed = missed
        self.give_up = deadline
        now = self.made_at = self._reactor.now
        self.label = b'"upstream":"%b"' % in_json(str(endpoint))
        # The addresses share the time, so that a silent first one doesn't use it up.
        left = deadline - now
        self.deadline = now + max(left / (1 + len(others)), min(left, _LEAST_S))
        self._mask = WRITE
        self._error = sock.connect_ex(address if address[1] else address[0])
        self._reactor.add(self.fd, WRITE, self._on_event)

    @property
    def generation(self) -> int:
        """The generation of the client certificate that is shown."""
        return self.epoch.credentials.generation

    def _on_event(self, _readiness: int) -> None:
        """Until the handshake is done every event drives it."""
        if self._handshake is None:
            # A dial that failed at once (no route to host) shows here too: on the next turn of
            # the loop, so that the route is never re-entered from its own call.
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or self._error
            if code not in (0, errno.EINPROGRESS):
                why = os.strerror(code)
                self._fail(Failure("unreachable", f"connecting to {self.endpoint} failed: {why}"))
                return
            if not isinstance(self.stream, TlsStream):
                self._done("")
                return
            self._handshake = self.stream
            self._begin_handshake(self.stream.connection)
        self._go_on(self._handshake)

    def _begin_handshake(self, connection: SSL.Connection) -> None:
        connection.set_connect_state()
        server_name = self._route.spec.tls.server_name
        if server_name:
            connection.set_tlsext_host_name(server_name.encode("ascii"))

    def _go_on(self, stream: TlsStream) -> None:
        try:
            done = stream.handshake()
        except SSL.Error as error:
            # An alert here is about what we offered: our certificate goes out with the last of the
            # handshake, and a verdict on it comes behind that (RFC 8446 section 2).
            self._fail(Failure("tls_failed", handshake_problem(stream.connection, error)))
            return
        if not done:
            self._watch(stream.waits_for)
            return
        try:
            peer = verified_peer(stream.connection, self._route.spec.tls.peers)
        except PeerRejected as rejected:
            self._fail(Failure("peer_rejected", str(rejected)))
            return
        self._done(peer)

    def _done(self, peer: str) -> None:
        self._reactor.remove(self.fd)  # whoever takes the stream over watches it anew
        self.made_at = self._reactor.now
        if isinstance(self.stream, TlsStream):
            self.label += b',"peer":"%b","tls_group":"%b","generation":%d' % (
                in_json(peer),
                in_json(self.stream.connection.get_group_name() or ""),
                self.generation,
            )
        self._route.pool.established(self, peer)

    def _watch(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self._reactor.modify(self.fd, mask)

    def on_deadline(self) -> None:
        """It took too long."""
        if self._handshake is None:
            self._fail(Failure("connect_timeout", "no answer to the connection attempt"))
        else:
            self._fail(Failure("tls_timeout", "the handshake was not finished in time"))

    def retire(self, _reason: str) -> None:
        """Its certificate's time is over."""
        self._fail(Failure("identity_expired", "the certificate expired meanwhile"))

    def _fail(self, failure: Failure) -> None:
        self.abort()
        self._route.pool.not_established(self, failure)

    def abort(self) -> None:
        """Nobody wants it any more."""
        self._reactor.remove(self.fd)
        self.stream.abort()


def _open_socket(address: tuple[str, int]) -> socket.socket:
    if not address[1]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(sock)
    return sock
