"""The addresses of a route's upstream: what leads to each, and how each does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gateway.data_plane.affinity import Affinity
from gateway.data_plane.balance import Address, Balance
from gateway.data_plane.idle_limit import IdleLimit
from gateway.ipc import events

if TYPE_CHECKING:
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.failure import Failure
    from gateway.data_plane.route import Route
    from gateway.data_plane.tunnel import Tunnel
    from gateway.data_plane.upstream import UpstreamConnection
    from gateway.data_plane.wire.request import RequestHead
    from gateway.data_plane.wire.response import ResponseHead
    from gateway.ipc.snapshot import RouteSpec

#: Answers that count as failures of the address that gave them.
_FAULTS: Final = frozenset((500, 502, 503, 504))


class Endpoint:
    """Where connections lead.

    Attributes:
        address: an IP literal and a port, or the path of a Unix socket and 0.
        connections: in every state; tunnels too.
        idle: those of them that no request is on, the last used last; `idle_limit` says how long.
        rivals: whether requests are spread over several addresses.
        gone: whether the upstream isn't there any more: no request is sent there.
    """

    __slots__ = ("address", "connections", "gone", "idle", "idle_limit", "rivals")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.connections: set[Dial | UpstreamConnection | Tunnel] = set()
        self.idle: list[UpstreamConnection] = []
        self.idle_limit = IdleLimit()
        self.rivals = False
        self.gone = False

    def __str__(self) -> str:
        host, port = self.address
        if not port:
            return f"unix:{host}"
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def busy(self) -> int:
        """How many requests are there, or on their way."""
        return len(self.connections) - len(self.idle)

    def retire_idle(self, reason: str) -> None:
        """Close what no request is on."""
        idle, self.idle = self.idle, []
        for connection in idle:
            connection.retire(reason)


class Endpoints:
    """Chooses between the addresses; with one only, there is nothing to choose and nothing to note.

    Attributes:
        only: the one address that all requests go to; None with several or none.
    """

    __slots__ = ("_affinity", "_balance", "_by_address", "_route", "only")

    def __init__(self, route: Route) -> None:
        self._route = route
        self._affinity = Affinity(route.plane.sessions, route.plane.tell, route.name)
        self._by_address: dict[Address, Endpoint] = {}
        self._balance = Balance()
        self.only: Endpoint | None = None

    def update(self, spec: RouteSpec) -> None:
        """Take over a snapshot's addresses. One that vanished gets no new request, and its idle
        connections are closed; what is in flight there may finish.
        """
        upstream = spec.upstream
        addresses = (*upstream.addresses, *upstream.alternatives)
        self._affinity.use(spec.affinity)
        self._balance.update(upstream.addresses, upstream.alternatives)
        for address in addresses:
            self._by_address.setdefault(address, Endpoint(address))
        self._note_active()
        for endpoint in self:
            endpoint.gone = endpoint.address not in addresses
        for endpoint in self:  # now that all is in place: whoever waits may be served meanwhile
            if endpoint.gone:
                endpoint.retire_idle("address_gone")
                if not endpoint.connections:
                    del self._by_address[endpoint.address]

    def _note_active(self) -> None:
        active = self._balance.active
        for endpoint in self:
            endpoint.rivals = len(active) > 1
        self.only = self._by_address[active[0]] if len(active) == 1 else None

    def keep_idle(self, seconds: float) -> None:
        """How long idle connections are kept, unless an address has shown that it keeps them for
        less.
        """
        for endpoint in self:
            endpoint.idle_limit.configure(seconds)

    def __iter__(self) -> Iterator[Endpoint]:
        """Each, with those that are gone while something is in flight there."""
        return iter(tuple(self._by_address.values()))

    @property
    def ejected(self) -> dict[str, int]:
        """Each of several addresses: 1 where it is left out now, else 0."""
        ejected = self._balance.ejected
        return {str(self._by_address[address]): int(out) for address, out in ejected.items()}

    # -- choosing --------------------------------------------------------------------------------

    def choose(self, client: Downstream) -> Endpoint | None:
        """Where a request goes; None without any address."""
        if not self._route.spec.upstream.addresses:
            return None
        now = self._route.plane.reactor.now
        return self.bound(client) or self._by_address[self._balance.best(self._busy, now)]

    def bound(self, client: Downstream) -> Endpoint | None:
        """Where a request has to go because its session is there, unless that address is out."""
        if not self._balance.spreads:
            return None
        now = self._route.plane.reactor.now
        address = self._affinity.find(client.request, now)
        if address is None or not self._balance.takes(address, now):
            return None
        return self._by_address[address]

    def others(self, endpoint: Endpoint) -> list[Endpoint]:
        """Where it goes on, in order, when it can't go there."""
        if len(self._by_address) == 1:
            return []
        now = self._route.plane.reactor.now
        others = self._balance.others(endpoint.address, self._busy, now)
        return [self._by_address[address] for address in others]

    def _busy(self, address: Address) -> int:
        return self._by_address[address].busy

    # -- what came of it -------------------------------------------------------------------------

    def reached(self, endpoint: Endpoint) -> None:
        """A connection stands."""
        if self._balance.reached(endpoint.address):
            self._note_active()
        if self._route.spec.kind == "tcp":  # more will not be known
            self._succeeded(endpoint)

    def not_reached(self, endpoint: Endpoint, failure: Failure) -> None:
        """A connection could not be made."""
        if failure.reason != "identity_expired":
            ours = failure.reason == "certificate_refused"  # most likely
            self._failed(endpoint, failure.reason, failure.detail, dialling=not ours)

    def answered(self, endpoint: Endpoint, request: RequestHead, response: ResponseHead) -> None:
        """A response has begun, and its client has seen nothing of it yet: asked where there are
        rivals, as `completed` is.
        """
        now = self._route.plane.reactor.now
        self._affinity.note(request, response, endpoint.address, now)
        if response.event_stream or response.status == 101:  # its end may be far
            self._succeeded(endpoint)

    def completed(self, endpoint: Endpoint, response: ResponseHead) -> None:
        """A response is whole."""
        status = response.status
        if status in _FAULTS:
            self._failed(endpoint, f"status_{status}", f"it answered {status}")
        else:
            self._succeeded(endpoint)

    def broke(self, endpoint: Endpoint, failure: Failure) -> None:
        """A response did not come, or not whole."""
        if failure.reason != "certificate_ended":
            self._failed(endpoint, failure.reason, failure.detail)

    def closed_idle(self, endpoint: Endpoint, idle_s: float) -> None:
        """The upstream closed a connection that was idle: asked of every address."""
        if endpoint.idle_limit.closed(idle_s, self._route.plane.reactor.now):
            kept_s = endpoint.idle_limit.seconds
            self._tell(
                "info",
                f"{endpoint} closes idle connections after {idle_s:.1f} s: they are kept for "
                f"{kept_s:.1f} s now",
            )

    def _succeeded(self, endpoint: Endpoint) -> None:
        if self._balance.succeeded(endpoint.address):
            self._tell("info", f"{endpoint} is used again")

    def _failed(
        self, endpoint: Endpoint, reason: str, detail: str, *, dialling: bool = False
    ) -> None:
        now = self._route.plane.reactor.now
        length_s = self._balance.failed(endpoint.address, now, dialling=dialling)
        if length_s:
            self._route.note_ejected(reason)
            self._tell("warning", f"{endpoint} is left out for {length_s:g} s: {detail}")

    def _tell(self, level: str, message: str) -> None:
        self._route.plane.tell(events.LOG, level=level, message=f"{self._route.name}: {message}")
