"""A route's connections to its upstream: dialled for a request, used, kept for the next one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from gateway.data_plane.dial import Dial
from gateway.data_plane.endpoint import Endpoint, Endpoints
from gateway.data_plane.failure import Failure, Missed, most_telling
from gateway.data_plane.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.judge import Judge, Objection
    from gateway.data_plane.route import Route
    from gateway.data_plane.tunnel import Tunnel

RETRY_AFTER_S: Final = 2
#: Of one address.
_MOST_IDLE: Final = 64
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Pool:
    """Who waits for which dial, and which connections are idle."""

    __slots__ = ("_dialling", "_endpoints", "_reused", "_route")

    def __init__(self, route: Route, endpoints: Endpoints) -> None:
        self._route = route
        self._endpoints = endpoints
        self._reused = 0
        self._dialling: dict[Dial, Downstream] = {}

    @property
    def connections(self) -> list[Dial | UpstreamConnection | Tunnel]:
        """All of them, in every state; tunnels too."""
        return [item for endpoint in self._endpoints for item in endpoint.connections]

    @property
    def is_full(self) -> bool:
        """Whether no connection may be dialled now."""
        limits = self._route.plane.limits
        return (
            sum(len(endpoint.connections) for endpoint in self._endpoints)
            >= limits.max_upstream_connections
            or len(self._dialling) >= limits.max_handshakes
        )

    # -- idle connections ------------------------------------------------------------------------

    @property
    def has_idle(self) -> bool:
        """Whether any connection is idle."""
        return any(endpoint.idle for endpoint in self._endpoints)

    def take(self, endpoint: Endpoint, epoch: Epoch) -> UpstreamConnection | None:
        """An idle connection of the epoch that nothing happened to since, the last used first."""
        idle = endpoint.idle
        now = self._route.plane.reactor.now
        while idle:
            connection = idle.pop(_longer_idle(idle))
            in_time = connection.deadline > now
            if in_time and connection.epoch is epoch and connection.usable():
                return connection
            connection.retire("stale")
        return None

    def take_any(self, endpoint: Endpoint, epoch: Epoch) -> UpstreamConnection | None:
        """The same to another address than this one."""
        for other in self._endpoints.others(endpoint):
            connection = self.take(other, epoch)
            if connection is not None:
                return connection
        return None

    def released(self, connection: UpstreamConnection) -> None:
        """An exchange is over and the connection clean: keep it for the next one."""
        route = self._route
        plane = route.plane
        endpoint = connection.endpoint
        if connection.epoch is not route.epoch or plane.draining:
            connection.retire("generation")
            return
        if endpoint.gone or len(endpoint.idle) >= _MOST_IDLE:
            connection.retire("address_gone" if endpoint.gone else "pool_full")
            return
        reactor = plane.reactor
        connection.released_at = reactor.now
        connection.deadline = reactor.now + endpoint.idle_limit.seconds
        connection.released_in = reactor.turn
        reactor.watched.add(connection.fd)
        endpoint.idle.append(connection)
        route.serve_line()

    def retire_idle(self, reason: str) -> None:
        """Close what no request is on."""
        for endpoint in self._endpoints:
            endpoint.retire_idle(reason)

    def sweep(self, now: float) -> None:
        """End what has passed its deadline, and what is answered by nobody."""
        for connection in self.connections:
            if connection.deadline <= now:
                connection.on_deadline()
            elif isinstance(connection, UpstreamConnection):
                connection.give_up_unheard()

    def retire_expired(self, wall: float) -> None:
        """End connections whose certificate is no longer good."""
        for connection in self.connections:
            if connection.epoch.credentials.not_after <= wall:
                connection.retire("certificate_expired")

    def cut(self, judge: Judge) -> list[Objection]:
        """End each connection to the present far side that may not go on, with what it carries.

        A dial on its way is left alone: what comes of it is of the last epoch, and gets no request.
        """
        objections: list[Objection] = []
        for connection in list(self.connections):
            of_another = connection.epoch.authority != self._route.spec.upstream.authority
            if of_another or isinstance(connection, Dial):
                continue
            objection = judge.objection(connection.stream)
            if objection is not None:
                objections.append(objection)
                connection.distrust(objection)
        return objections

    def retired(self, connection: Dial | UpstreamConnection | Tunnel, reason: str) -> None:
        """A connection is being closed."""
        endpoint = connection.endpoint
        self.let_go(connection)
        self._route.note_retired(reason)
        if isinstance(connection, UpstreamConnection) and connection in endpoint.idle:
            endpoint.idle.remove(connection)
            if reason == "upstream_closed":
                idle_s = self._route.plane.reactor.now - connection.released_at
                self._endpoints.closed_idle(endpoint, idle_s)
        self._route.serve_line()

    def let_go(self, connection: Dial | UpstreamConnection | Tunnel) -> None:
        """It is none of the pool's any more."""
        connection.endpoint.connections.discard(connection)
        if isinstance(connection, UpstreamConnection):
            self._reused += connection.exchanges_again

    @property
    def reused(self) -> int:
        """Exchanges on a connection that had carried one before."""
        return self._reused + sum(
            connection.exchanges_again
            for connection in self.connections
            if isinstance(connection, UpstreamConnection)
        )

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(len(endpoint.idle) for endpoint in self._endpoints)

    # -- dialling --------------------------------------------------------------------------------

    def dial(self, client: Downstream, epoch: Epoch, endpoint: Endpoint) -> None:
        """Make a connection for the client: it is `connected`, dispatched anew or failed."""
        plane = self._route.plane
        deadline = plane.reactor.now + plane.limits.connect_timeout_s
        self._dial(client, epoch, (endpoint, *self._endpoints.others(endpoint)), (), deadline)

    def _dial(
        self,
        client: Downstream,
        epoch: Epoch,
        endpoints: tuple[Endpoint, ...],
        missed: tuple[Missed, ...],
        deadline: float,
    ) -> None:
        endpoint, *rest = endpoints
        others = tuple(rest)
        try:
            dial = Dial(
                self._route, epoch, endpoint, others=others, missed=missed, deadline=deadline
            )
        except OSError as error:  # no descriptor is left, or no such address family
            reason = "overloaded" if error.errno in _EXHAUSTED else "unreachable"
            code = errno.errorcode.get(error.errno or 0, "unknown")
            failure = Failure(reason, f"no socket: {code}", RETRY_AFTER_S)
            missed = (*missed, Missed(str(endpoint), failure))
            if others:
                self._dial(client, epoch, others, missed, deadline)
            else:
                client.fail(most_telling(missed).failure)
            return
        endpoint.connections.add(dial)
        self._dialling[dial] = client
        client.dialling = dial

    def established(self, dial: Dial, peer: str) -> None:
        """A dial is done, the peer verified: the request may go."""
        route, endpoint = self._route, dial.endpoint
        route.note_established(dial.stream, peer)
        endpoint.connections.discard(dial)
        self._endpoints.reached(endpoint)
        self._give(dial)
        route.serve_line()

    def _give(self, dial: Dial) -> None:
        route = self._route
        client = self._dialling.pop(dial, None)
        wanted = client is not None and not client.closed
        if client is not None and wanted:
            client.dialling = None
            if dial.epoch is route.epoch and not (route.spec.unavailable or dial.endpoint.gone):
                client.connected(dial)
                return
        # The world changed meanwhile: judge the request by the present one.
        if route.spec.kind == "http":
            self.released(UpstreamConnection(route, dial))
        else:
            dial.stream.abort()
        if client is not None and wanted:
            route.dispatch(client)

    def not_established(self, dial: Dial, failure: Failure) -> None:
        """A dial failed: the next address, or the client is told."""
        route, endpoint = self._route, dial.endpoint
        endpoint.connections.discard(dial)
        route.note_not_established(failure)
        self._endpoints.not_reached(endpoint, failure)
        self._make_up_for(dial, failure)
        route.serve_line()

    def _make_up_for(self, dial: Dial, failure: Failure) -> None:
        route = self._route
        client = self._dialling.pop(dial, None)
        if client is None or client.closed:
            route.note_failure(failure)
            return
        client.dialling = None
        changed = dial.epoch is not route.epoch or dial.endpoint.gone
        # Ordered anew: others may have gone the same way meanwhile.
        others = tuple(
            item for item in self._endpoints.others(dial.endpoint) if item in dial.others
        )
        if changed or failure.reason == "identity_expired":
            route.dispatch(client)  # another identity or far side may do better
            return
        missed = (*dial.missed, Missed(str(dial.endpoint), failure, dial.label))
        if others and route.plane.reactor.now < dial.give_up:
            self._dial(client, dial.epoch, others, missed, dial.give_up)
        else:
            told = most_telling(missed)
            dial.label = told.label  # the line tells of the address that came farthest
            client.via = dial
            client.fail(told.failure)

    def abandon(self, dial: Dial) -> None:
        """The client that waited for it went away."""
        self._dialling.pop(dial, None)
        self.retired(dial, "abandoned")
        dial.abort()


def _longer_idle(idle: list[UpstreamConnection]) -> int:
    """The last used that came back before this turn; else the very last, which will have to be
    looked at.
    """
    turn = idle[-1].reactor.turn
    for index in range(len(idle) - 1, -1, -1):
        if idle[index].released_in != turn:
            return index
    return -1
