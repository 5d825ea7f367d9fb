"""The upstream side: one mutually authenticated connection, one exchange after the other."""

from __future__ import annotations

import errno
import os
import socket
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from certs.errors import PeerRejected
from gateway.data_plane.connection import Connection
from gateway.data_plane.failure import Failure
from gateway.data_plane.reactor import READ, WRITE
from gateway.data_plane.stream import ConnectionLost, TlsStream
from gateway.data_plane.tls import Alert, alert_of, handshake_problem, verified_peer
from gateway.data_plane.wire.body import NO_BODY, Body
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation

if TYPE_CHECKING:
    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.route import Epoch, Route

_READS_A_TURN: Final = 8
_MOST_INTERIM: Final = 32
_KEEPALIVE_IDLE_S: Final = 30


class UpstreamState(IntEnum):
    """Where an upstream connection stands."""

    CONNECTING = 0
    HANDSHAKE = 1
    IDLE = 2  # in the pool
    HEAD = 3  # request handed over; the response's head is awaited
    BODY = 4
    TUNNEL = 5


class UpstreamConnection(Connection):
    """Dials, shakes hands, checks the peer's name, then carries exchanges until retired.

    Attributes:
        epoch: the identity and bundle that it was made with.
        others: addresses to dial should this one fail; `give_up` when all dialling ends.
        client: the exchange's client, None in the pool.
        others: addresses to try if this one fails.
        rules: the header rules of the exchange, kept to its end whatever a snapshot brings.
        released_in: the reactor's turn of the last release.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_dial_error",
        "_interim",
        "_response",
        "_socket",
        "_state",
        "address",
        "client",
        "epoch",
        "exchanges",
        "give_up",
        "others",
        "released_in",
        "route",
        "rules",
    )

    stream: TlsStream

    def __init__(
        self,
        route: Route,
        epoch: Epoch,
        address: tuple[str, int],
        *,
        others: tuple[tuple[str, int], ...],
        deadline: float,
    ) -> None:
        host, port = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        tls = SSL.Connection(epoch.credentials.context, sock)
        super().__init__(route.plane.reactor, TlsStream(sock, tls), sock.fileno())
        self._socket = sock
        self._state = UpstreamState.CONNECTING
        self._buffer = b""
        self._body: Body = NO_BODY
        self._response: ResponseHead | None = None
        self._interim = 0
        self.route = route
        self.epoch = epoch
        self.address = address
        self.others = others
        self.give_up = deadline
        self.rules = route.rules
        self.client: ClientConnection | None = None
        self.exchanges = 0
        self.released_in = 0
        self._dial(host, port)

    @property
    def generation(self) -> int:
        """The generation of the client certificate that was shown."""
        return self.epoch.credentials.generation

    @property
    def idle(self) -> bool:
        """Whether it waits in the pool."""
        return self._state == UpstreamState.IDLE

    # -- dialling --------------------------------------------------------------------------------

    def _dial(self, host: str, port: int) -> None:
        now = self.reactor.now
        # The addresses share the time, so that a silent first one doesn't use it up.
        self.deadline = now + (self.give_up - now) / (1 + len(self.others))
        self._mask = WRITE
        self.reactor.add(self.fd, WRITE, self.on_event)
        self._dial_error = self._socket.connect_ex((host, port))

    def on_event(self, readiness: int) -> None:
        """See `Connection`; until the handshake is done every event drives it."""
        if self._state <= UpstreamState.HANDSHAKE:
            self._establish()
        else:
            super().on_event(readiness)

    def _establish(self) -> None:
        if self._state == UpstreamState.CONNECTING:
            # A dial that failed at once (no route to host) shows here too: on the next turn of
            # the loop, so that the route is never re-entered from its own call.
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or self._dial_error
            if code not in (0, errno.EINPROGRESS):
                host, port = self.address
                where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                self._not_established(
                    Failure("unreachable", f"connecting to {where} failed: {os.strerror(code)}")
                )
                return
            self._begin_handshake()
        try:
            done = self.stream.handshake()
        except SSL.Error as error:
            self._handshake_failed(error)
            return
        if not done:
            self._watch(WRITE if self.stream.connection.want_write() else READ)
            return
        try:
            peer = verified_peer(self.stream.connection, self.route.spec.upstream.peers)
        except PeerRejected as rejected:
            self._not_established(Failure("peer_rejected", str(rejected)))
            return
        self._state = UpstreamState.IDLE
        self.deadline = inf
        self._watch(READ)
        self.route.established(self, peer)

    def _begin_handshake(self) -> None:
        self._state = UpstreamState.HANDSHAKE
        connection = self.stream.connection
        connection.set_connect_state()
        if self.route.spec.upstream.server_name:
            connection.set_tlsext_host_name(self.route.spec.upstream.server_name.encode("ascii"))

    def _handshake_failed(self, error: SSL.Error) -> None:
        alert = alert_of(error)
        if alert is not None and alert.refuses_certificate:
            self._not_established(self._refused(alert))
        else:
            self._not_established(
                Failure("tls_failed", handshake_problem(self.stream.connection, error))
            )

    def _not_established(self, failure: Failure) -> None:
        self.abort()
        self.route.not_established(self, failure)

    # -- an exchange -----------------------------------------------------------------------------

    def usable(self) -> bool:
        """Whether a pooled connection can carry another request: nothing arrived since.

        What came before this turn of the loop was told first, because the descriptor is watched;
        only a connection released in this very turn has to be looked at.
        """
        if self.released_in != self.reactor.turn:
            return True
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        try:  # bytes, or the end: session tickets are harmless, all else ends the connection
            return self.stream.read() is None
        except ConnectionLost:
            return False

    def heed(self) -> None:
        """Read what the server says already, before more of a long request is written: a server
        that refused it and closed resets the connection then, and its answer would be lost.
        """
        if self._paused:
            return
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            pass  # reading will tell
        self.on_event(READ)

    def renew_deadline(self) -> None:
        """More of the request is on its way: the wait for the answer begins again."""
        if self._state == UpstreamState.HEAD:
            self.deadline = self.reactor.now + self.route.plane.limits.response_timeout_s

    def begin(self, client: ClientConnection) -> None:
        """Carry a client's request; `client.attach` writes it."""
        self.client = client
        self.reactor.watched.discard(self.fd)
        self.rules = self.route.rules
        self.deadline = self.reactor.now + self.route.plane.limits.response_timeout_s
        self._state = UpstreamState.HEAD
        self._interim = 0
        client.attach(self, reused=self.exchanges > 0)

    def on_readable(self) -> None:
        """See `Connection`."""
        read = self.stream.read
        for _ in range(_READS_A_TURN):
            data = read()
            if data is None:
                return
            if not data:
                self._on_end()
                return
            self._on_data(data)
            client = self.client
            if client is None or self.closed:
                return
            if client.out:
                self.pause()
                return
            if len(data) < self.stream.read_size:
                return

    def _on_data(self, data: bytes) -> None:
        client = self.client
        if client is None:
            self.route.retired(self, "unexpected_data")
            self.close()
        elif self._state == UpstreamState.BODY:
            self._relay_body(client, data)
        elif self._state == UpstreamState.TUNNEL:
            client.bytes_down += len(data)
            client.relay(data)
        else:
            self._buffer = self._buffer + data if self._buffer else data
            self._take_heads(client)

    def _take_heads(self, client: ClientConnection) -> None:
        """Parse response heads until the final one; interim ones are passed on as they come."""
        while self._state == UpstreamState.HEAD and self.client is client:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(self._buffer) > self.route.plane.limits.max_head_bytes:
                    self._violated(ProtocolViolation("head_too_large", "the head is too large"))
                return
            head, self._buffer = self._buffer[:end], self._buffer[end:]
            try:
                response = parse_response_head(
                    head,
                    method=client.request.method,
                    client_minor=client.request.minor,
                    trailers=self.rules.trailers,
                )
                self._on_head(client, response)
            except ProtocolViolation as violation:
                self._violated(violation)
                return

    def _on_head(self, client: ClientConnection, response: ResponseHead) -> None:
        if response.status == 101:
            self._switch(client, response)
        elif response.status < 200:
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise ProtocolViolation("interim_flood", "too many interim responses")
            if client.request.minor:
                client.relay(
                    self.rules.response_head(response, local=client.request.host, connection=b"")
                )
        else:
            self._final_head(client, response)

    def _final_head(self, client: ClientConnection, response: ResponseHead) -> None:
        self._response = response
        body = self._body = response.body
        self._state = UpstreamState.BODY
        self.deadline = inf
        data = self.rules.response_head(
            response,
            local=client.request.host,
            connection=client.connection_header(response_reusable=body.done or body.framing != b""),
        )
        rest, self._buffer = self._buffer, b""
        if rest and not body.done:
            piece = body.feed(rest)
            client.bytes_down = len(piece)
            data += piece
            rest = body.leftover
        client.respond(data, response.status, streaming=response.event_stream)
        if body.done:
            self._complete(leftover=rest)

    def _relay_body(self, client: ClientConnection, data: bytes) -> None:
        body = self._body
        try:
            piece = body.feed(data)
        except ProtocolViolation as violation:
            self._violated(violation)
            return
        client.bytes_down += len(piece)
        if piece:
            client.relay(piece)
        if body.done:
            self._complete(leftover=body.leftover)

    def _complete(self, *, leftover: bytes) -> None:
        """The response is whole: back to the pool if both sides of the exchange are clean."""
        client, self.client = self.client, None
        response, self._response = self._response, None
        self.exchanges += 1
        if client is None:
            return  # the client went away while its last bytes were written
        if leftover:
            self._end("excess_data")
        elif (
            response is None
            or not response.keep_alive
            or not client.request.body.done
            or client.request.ends_connection
            or self.out
        ):
            self._end("not_reusable")
        else:
            self._state = UpstreamState.IDLE
            self.resume()
            self.route.released(self)
        client.finish()

    def _switch(self, client: ClientConnection, response: ResponseHead) -> None:
        if not response.upgrade or response.upgrade != client.request.upgrade:
            raise ProtocolViolation("bad_upgrade", "a 101 that nobody asked for")
        self._state = UpstreamState.TUNNEL
        self.deadline = inf
        head = self.rules.response_head(response, local=client.request.host, connection=b"")
        rest, self._buffer = self._buffer, b""
        client.bytes_down = len(rest)
        client.respond(head + rest, 101, streaming=True)
        if self.client is client:
            client.start_tunnel()

    # -- the other side ---------------------------------------------------------------------------

    def on_drained(self) -> None:
        """See `Connection`."""
        client = self.client
        if client is None:
            return
        if self._state == UpstreamState.TUNNEL and client.ended:
            self._shutdown_write()
        elif self._state != UpstreamState.IDLE:
            client.resume()

    def on_progress(self) -> None:
        """See `Connection`."""
        self.renew_deadline()

    def end_up(self) -> None:
        """The client of a tunnel sends no more: say so once what it sent is written."""
        if not self.out:
            self._shutdown_write()

    def _shutdown_write(self) -> None:
        if self.ended:
            self._finish_tunnel()
            return
        try:
            self.stream.shutdown_write()
        except ConnectionLost as lost:
            self.on_lost(lost)

    def _finish_tunnel(self) -> None:
        client, self.client = self.client, None
        self._end("tunnel_end")
        if client is not None:
            client.finish_tunnel()

    def cancel(self, reason: str) -> None:
        """The client is gone: close at once, so that the remote agent stops working for it."""
        self.client = None
        self._end(reason)

    # -- ending ----------------------------------------------------------------------------------

    def _on_end(self) -> None:
        """A clean end of the stream."""
        client = self.client
        if client is None:
            self._end("upstream_closed")
        elif self._state == UpstreamState.TUNNEL:
            self.reading_done()
            if client.ended and not self.out:
                self._finish_tunnel()
            else:
                client.end_down()
        elif self._state == UpstreamState.BODY:
            last = self._body.end()
            if last is None:
                self._broken("the upstream closed in the middle of its response")
                return
            if last:
                client.relay(last)
            self._complete(leftover=b"")
        else:
            self._broken("the upstream closed the connection without an answer")

    def on_lost(self, lost: ConnectionLost) -> None:
        """See `Connection`."""
        if lost.alert is not None and lost.alert.refuses_certificate and not self.exchanges:
            self._fail(self._refused(lost.alert))
        else:
            self._broken(str(lost))

    def _broken(self, detail: str) -> None:
        unanswered = self._state == UpstreamState.HEAD and not self._buffer and not self._interim
        self._fail(Failure("upstream_closed", detail), on_kept=unanswered and self.exchanges > 0)

    def _violated(self, violation: ProtocolViolation) -> None:
        self._fail(Failure("bad_response", violation.detail))

    def _fail(self, failure: Failure, *, on_kept: bool = False) -> None:
        client, self.client = self.client, None
        self._end(failure.reason if client is not None else "upstream_closed")
        if client is not None:
            self.route.exchange_failed(client, failure, on_kept=on_kept)

    def _refused(self, alert: Alert) -> Failure:
        self.route.certificate_refused(alert, self.generation)
        return Failure("certificate_refused", f"{alert.cause} (TLS alert {alert.name!r})")

    def _end(self, reason: str) -> None:
        if not self.closed:
            self.route.retired(self, reason)
            self.close()

    def on_deadline(self) -> None:
        """See `Connection`: dialling, or an answer, took too long; or the pool kept it enough."""
        self.deadline = inf
        if self._state == UpstreamState.CONNECTING:
            self._not_established(Failure("connect_timeout", "no answer to the connection attempt"))
        elif self._state == UpstreamState.HANDSHAKE:
            self._not_established(Failure("tls_timeout", "the handshake was not finished in time"))
        elif self._state == UpstreamState.IDLE:
            self._end("idle")
        else:
            self._fail(Failure("response_timeout", "no response head came in time"))

    def retire(self, reason: str) -> None:
        """Its time is over: an exchange that it still carries is cut."""
        if self._state <= UpstreamState.HANDSHAKE:
            self._not_established(Failure("identity_expired", "the certificate expired meanwhile"))
        elif self.client is not None:
            self._fail(Failure("certificate_ended", f"the connection was retired: {reason}"))
        else:
            self._end(reason)
