"""A route at run time: header rules, the current epoch, its pool of connections, its numbers."""

from __future__ import annotations

import errno
import time
from collections import deque
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.failure import Failure, is_server_fault
from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.replay import may_replay
from gateway.data_plane.upstream import UpstreamConnection
from gateway.ipc import events
from gateway.ipc.snapshot import RouteSpec
from gateway.ipc.stats import RouteStats

if TYPE_CHECKING:
    from OpenSSL import SSL

    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.tls import Alert

#: How long a request waits for the renewal of an identity that is found expired (a laptop woke).
_RENEWAL_WAIT_S: Final = 8.0
_RETRY_AFTER_S: Final = 2
_MOST_IDLE: Final = 64
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


#: Upper bounds of the classes that durations are counted in, in seconds.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """One identity with one bundle, as a TLS context. `not_after` is a Unix time."""

    generation: int
    context: SSL.Context
    not_after: float


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """Credentials towards one far side: a connection made in an epoch gets no new request after
    it, and ends with its certificate at the latest. Compared by identity.
    """

    credentials: Credentials


class Route:
    """Gives each request a connection, made with the identity of now.

    Attributes:
        spec: the snapshot's route in use.
        rules: its header firewall.
        epoch: None without an identity or with unusable material; `reason` then says why.
    """

    __slots__ = (
        "_denials",
        "_dialling",
        "_idle",
        "_preferred",
        "_quiet_until",
        "_waiting",
        "connections",
        "durations",
        "encoded_name",
        "epoch",
        "name",
        "plane",
        "reason",
        "rules",
        "spec",
        "stats",
        "statuses",
    )

    def __init__(self, plane: DataPlane, spec: RouteSpec) -> None:
        self.plane = plane
        self.name = spec.name
        self.encoded_name = spec.name.encode()
        self._denials = 0
        self._quiet_until = 0.0
        self.stats = RouteStats()
        self.statuses: dict[int, int] = {}
        self.durations = [0] * (len(BUCKETS) + 1)
        self.connections: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []
        self._dialling: dict[UpstreamConnection, ClientConnection] = {}
        self._waiting: deque[ClientConnection] = deque()
        self._preferred: tuple[str, int] | None = None
        self.epoch: Epoch | None = None
        self.reason = ""
        self.spec = spec
        self.rules = HeaderRules(spec)

    # -- snapshots -------------------------------------------------------------------------------

    def apply(self, spec: RouteSpec, credentials: Credentials | None, reason: str) -> None:
        """Take over a snapshot's values. Another identity, bundle or far side begins a new epoch:
        idle connections close at once; busy ones finish what they carry, at the latest when their
        certificate ends.
        """
        before = self.spec.upstream
        same_far_side = (before.authority, before.server_name, before.peers) == (
            spec.upstream.authority,
            spec.upstream.server_name,
            spec.upstream.peers,
        )
        if spec != self.spec:
            self.spec = spec
            self.rules = HeaderRules(spec)
        self.reason = reason
        epoch = self.epoch
        if epoch is None or epoch.credentials is not credentials or not same_far_side:
            self.epoch = None if credentials is None else Epoch(credentials)
            self._retire_idle("generation")
        if not same_far_side:
            stats = self.stats
            stats.tls_version = stats.tls_group = stats.tls_cipher = stats.peer = ""
        self._dispatch_waiting()

    def _dispatch_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for client in waiting:
            client.deadline = inf
            self.dispatch(client)

    def _retire_idle(self, reason: str) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.retire(reason)

    def leave(self) -> None:
        """The route is gone from the configuration: what is in flight may finish."""
        self.epoch = None
        self.spec = replace(self.spec, unavailable="the route was removed")
        self._retire_idle("route_removed")
        self._dispatch_waiting()

    def retire_expired(self, wall: float) -> None:
        """End connections whose certificate is no longer good."""
        for connection in list(self.connections):
            if connection.epoch.credentials.not_after <= wall:
                connection.retire("certificate_expired")

    # -- a request's way -------------------------------------------------------------------------

    def dispatch(self, client: ClientConnection) -> None:
        """Give the client a connection now or after a dial, or fail it with the reason."""
        if self.spec.unavailable:
            client.fail(Failure("route_unavailable", self.spec.unavailable, _RETRY_AFTER_S))
            return
        epoch = self.epoch
        if epoch is None:
            self.plane.want_identity()
            client.fail(Failure("no_identity", self.reason, _RETRY_AFTER_S))
            return
        # The wall clock, because a monotonic one stands still while a laptop sleeps.
        if time.time() >= epoch.credentials.not_after:
            self._await_renewal(client, epoch)
            return
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.epoch is epoch and connection.usable():
                connection.begin(client)
                return
            connection.retire("stale")
        deadline = self.plane.reactor.now + self.plane.limits.connect_timeout_s
        self._dial(client, epoch, self._addresses(), deadline)

    def _await_renewal(self, client: ClientConnection, epoch: Epoch) -> None:
        if not self._waiting:
            self.plane.tell(events.IDENTITY_EXPIRED, generation=epoch.credentials.generation)
        client.deadline = client.started + _RENEWAL_WAIT_S
        self._waiting.append(client)

    def waited_too_long(self, client: ClientConnection) -> None:
        """The renewal did not come in time."""
        if client in self._waiting:
            self._waiting.remove(client)
        client.fail(
            Failure(
                "identity_expired",
                "the certificate has expired and no new one came in time",
                _RETRY_AFTER_S,
            )
        )

    def _addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to dial, in order, beginning with the address that last answered."""
        addresses = self.spec.upstream.addresses
        if self._preferred not in addresses:
            return addresses
        first = addresses.index(self._preferred)
        return addresses[first:] + addresses[:first]

    def _dial(
        self,
        client: ClientConnection,
        epoch: Epoch,
        addresses: tuple[tuple[str, int], ...],
        deadline: float,
    ) -> None:
        if not addresses:
            client.fail(Failure("unresolved", self.spec.upstream.resolve_error, _RETRY_AFTER_S))
            return
        address, *others = addresses
        try:
            connection = UpstreamConnection(
                self, epoch, address, others=tuple(others), deadline=deadline
            )
        except OSError as error:  # no descriptor is left, or no such address family
            reason = "overloaded" if error.errno in _EXHAUSTED else "unreachable"
            code = errno.errorcode.get(error.errno or 0, "unknown")
            failure = Failure(reason, f"no socket: {code}", _RETRY_AFTER_S)
            if others:
                self._dial(client, epoch, tuple(others), deadline)
            else:
                client.fail(failure)
            return
        self.connections.add(connection)
        self._dialling[connection] = client
        client.dialling = connection

    def established(self, connection: UpstreamConnection, peer: str) -> None:
        """A dial is done, the peer verified: the request may go."""
        tls = connection.stream.connection
        stats = self.stats
        stats.handshakes += 1
        stats.tls_version = tls.get_protocol_version_name()
        stats.tls_group = tls.get_group_name() or ""
        stats.tls_cipher = tls.get_cipher_name() or ""
        stats.peer = peer
        self._preferred = connection.address
        client = self._dialling.pop(connection, None)
        if client is None or client.closed:
            self.released(connection)
            return
        client.dialling = None
        if connection.epoch is self.epoch and not self.spec.unavailable:
            connection.begin(client)
        else:  # the world changed meanwhile: judge the request by the present one
            self.released(connection)
            self.dispatch(client)

    def not_established(self, connection: UpstreamConnection, failure: Failure) -> None:
        """A dial failed: the next address, or the client is told."""
        self.connections.discard(connection)
        if failure.reason not in ("unreachable", "connect_timeout"):
            _count(self.stats.handshake_failures, failure.reason)
        client = self._dialling.pop(connection, None)
        if client is None or client.closed:
            self.note_failure(failure)
            return
        client.dialling = None
        if connection.epoch is not self.epoch or failure.reason == "identity_expired":
            self.dispatch(client)  # another identity or far side may do better
        elif connection.others:
            self._dial(client, connection.epoch, connection.others, connection.give_up)
        else:
            client.fail(failure)

    def abandon(self, client: ClientConnection) -> None:
        """The client went away while it waited."""
        connection = client.dialling
        client.dialling = None
        if connection is not None:
            self._dialling.pop(connection, None)
            self.retired(connection, "abandoned")
            connection.abort()
        elif client in self._waiting:
            self._waiting.remove(client)

    def released(self, connection: UpstreamConnection) -> None:
        """An exchange is over and the connection clean: keep it for the next one."""
        if connection.epoch is not self.epoch or self.plane.draining:
            connection.retire("generation")
            return
        if len(self._idle) >= _MOST_IDLE:
            connection.retire("pool_full")
            return
        connection.deadline = self.plane.reactor.now + self.plane.limits.upstream_idle_timeout_s
        connection.released_in = self.plane.reactor.turn
        self.plane.reactor.watched.add(connection.fd)
        self._idle.append(connection)

    def retired(self, connection: UpstreamConnection, reason: str) -> None:
        """A connection is being closed."""
        self.connections.discard(connection)
        _count(self.stats.retired, reason)
        if connection.idle and connection in self._idle:
            self._idle.remove(connection)

    def exchange_failed(self, client: ClientConnection, failure: Failure, *, on_kept: bool) -> None:
        """An exchange broke. A request that went out on a kept connection which the upstream was
        just closing (`on_kept`) is sent once more, if that can do no harm; nothing else ever is.
        """
        if (
            on_kept
            and client.resendable
            and not client.replayed
            and may_replay(client.request.method, client.request.mcp_method)
        ):
            client.replayed = True
            client.await_upstream()
            self.dispatch(client)
        else:
            client.fail(failure)

    # -- numbers ---------------------------------------------------------------------------------

    def note_failure(self, failure: Failure) -> None:
        """Count a failure, and keep its text if it is the upstream's or ours."""
        _count(self.stats.failures, failure.reason)
        if is_server_fault(failure.reason):
            self.stats.last_error = failure.detail
            self.stats.last_error_at = time.time()

    def note_rejected(self, rule: str) -> None:
        """Count a request refused by the listener, by rule."""
        _count(self.stats.rejected, rule)

    def tell_denied(self, listener: str, reason: str) -> None:
        """Tell the supervisor of a refused caller; at most once a second, with how many it were,
        because whoever may not use the route may still knock as often as it likes.
        """
        self._denials += 1
        now = self.plane.reactor.now
        if now < self._quiet_until:
            return
        self.plane.tell(
            events.CALLER_DENIED,
            route=self.name,
            listener=listener,
            reason=reason,
            count=self._denials,
        )
        self._denials = 0
        self._quiet_until = now + 1.0

    def certificate_refused(self, alert: Alert, generation: int) -> None:
        """Tell the supervisor, which asks for one refresh."""
        self.plane.tell(
            events.LATE_ALERT,
            route=self.name,
            alert=alert.name,
            cause=alert.cause,
            generation=generation,
        )


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
