"""A route's connections to its upstream: dialled for a request, used, kept for the next one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from gateway.data_plane.dial import Dial
from gateway.data_plane.failure import Failure
from gateway.data_plane.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.route import Route
    from gateway.data_plane.tunnel import Tunnel

RETRY_AFTER_S: Final = 2
_MOST_IDLE: Final = 64
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

_Address = tuple[str, int]


class Pool:
    """Who waits for which dial, and which connections are idle.

    Attributes:
        connections: in every state; tunnels too.
    """

    __slots__ = ("_dialling", "_idle", "_preferred", "_route", "connections")

    def __init__(self, route: Route) -> None:
        self._route = route
        self.connections: set[Dial | UpstreamConnection | Tunnel] = set()
        self._idle: list[UpstreamConnection] = []
        self._dialling: dict[Dial, Downstream] = {}
        self._preferred: _Address | None = None

    @property
    def is_full(self) -> bool:
        """Whether no connection may be dialled now."""
        limits = self._route.plane.limits
        return (
            len(self.connections) >= limits.max_upstream_connections
            or len(self._dialling) >= limits.max_handshakes
        )

    # -- idle connections ------------------------------------------------------------------------

    @property
    def has_idle(self) -> bool:
        """Whether any connection is idle."""
        return bool(self._idle)

    def take(self, epoch: Epoch) -> UpstreamConnection | None:
        """An idle connection of the epoch that nothing happened to since, the last used first."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.epoch is epoch and connection.usable():
                return connection
            connection.retire("stale")
        return None

    def released(self, connection: UpstreamConnection) -> None:
        """An exchange is over and the connection clean: keep it for the next one."""
        route = self._route
        plane = route.plane
        if connection.epoch is not route.epoch or plane.draining:
            connection.retire("generation")
            return
        if len(self._idle) >= _MOST_IDLE:
            connection.retire("pool_full")
            return
        connection.deadline = plane.reactor.now + plane.limits.upstream_idle_timeout_s
        connection.released_in = plane.reactor.turn
        plane.reactor.watched.add(connection.fd)
        route.refusals.forget()
        self._idle.append(connection)
        route.serve_line()

    def retire_idle(self, reason: str) -> None:
        """Close what no request is on."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.retire(reason)

    def retire_expired(self, wall: float) -> None:
        """End connections whose certificate is no longer good."""
        for connection in list(self.connections):
            if connection.epoch.credentials.not_after <= wall:
                connection.retire("certificate_expired")

    def retired(self, connection: Dial | UpstreamConnection | Tunnel, reason: str) -> None:
        """A connection is being closed."""
        self.connections.discard(connection)
        self._route.note_retired(reason)
        if isinstance(connection, UpstreamConnection) and connection in self._idle:
            self._idle.remove(connection)
        self._route.serve_line()

    # -- dialling --------------------------------------------------------------------------------

    def dial(self, client: Downstream, epoch: Epoch) -> None:
        """Make a connection for the client: it is `connected`, dispatched anew or failed."""
        plane = self._route.plane
        deadline = plane.reactor.now + plane.limits.connect_timeout_s
        self._dial(client, epoch, self._addresses(), deadline)

    def _addresses(self) -> tuple[_Address, ...]:
        """Where to dial, in order, beginning with the address that last answered."""
        addresses = self._route.spec.upstream.addresses
        if self._preferred not in addresses:
            return addresses
        first = addresses.index(self._preferred)
        return addresses[first:] + addresses[:first]

    def _dial(
        self, client: Downstream, epoch: Epoch, addresses: tuple[_Address, ...], deadline: float
    ) -> None:
        route = self._route
        if not addresses:
            client.fail(Failure("unresolved", route.spec.upstream.resolve_error, RETRY_AFTER_S))
            return
        address, *others = addresses
        try:
            dial = Dial(route, epoch, address, others=tuple(others), deadline=deadline)
        except OSError as error:  # no descriptor is left, or no such address family
            reason = "overloaded" if error.errno in _EXHAUSTED else "unreachable"
            code = errno.errorcode.get(error.errno or 0, "unknown")
            failure = Failure(reason, f"no socket: {code}", RETRY_AFTER_S)
            if others:
                self._dial(client, epoch, tuple(others), deadline)
            else:
                client.fail(failure)
            return
        self.connections.add(dial)
        self._dialling[dial] = client
        client.dialling = dial

    def established(self, dial: Dial, peer: str) -> None:
        """A dial is done, the peer verified: the request may go."""
        route = self._route
        route.note_established(dial.stream, peer)
        self._preferred = dial.address
        self.connections.discard(dial)
        self._give(dial)
        route.serve_line()

    def _give(self, dial: Dial) -> None:
        route = self._route
        client = self._dialling.pop(dial, None)
        wanted = client is not None and not client.closed
        if client is not None and wanted:
            client.dialling = None
            if dial.epoch is route.epoch and not route.spec.unavailable:
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
        route = self._route
        self.connections.discard(dial)
        route.note_not_established(failure)
        self._make_up_for(dial, failure)
        route.serve_line()

    def _make_up_for(self, dial: Dial, failure: Failure) -> None:
        route = self._route
        client = self._dialling.pop(dial, None)
        if client is None or client.closed:
            route.note_failure(failure)
            return
        client.dialling = None
        if dial.epoch is not route.epoch or failure.reason == "identity_expired":
            route.dispatch(client)  # another identity or far side may do better
        elif dial.others:
            self._dial(client, dial.epoch, dial.others, dial.give_up)
        else:
            client.via = dial
            client.fail(failure)

    def abandon(self, dial: Dial) -> None:
        """The client that waited for it went away."""
        self._dialling.pop(dial, None)
        self.retired(dial, "abandoned")
        dial.abort()
