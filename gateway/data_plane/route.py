"""A route at run time: header rules, the current epoch, its pool of connections, its numbers."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final

from certs.errors import PeerRejected
from certs.peer import peer_allowed
from gateway.data_plane.dial import Dial
from gateway.data_plane.failure import Failure, is_server_fault
from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.replay import may_replay
from gateway.data_plane.stream import Stream, TlsStream
from gateway.data_plane.tls import objection, store_of
from gateway.data_plane.upstream import UpstreamConnection
from gateway.ipc import events
from gateway.ipc.snapshot import RouteSpec
from gateway.ipc.stats import RouteStats

if TYPE_CHECKING:
    from OpenSSL import SSL

    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.tls import Alert
    from gateway.data_plane.tunnel import Tunnel

#: How long a request waits for the renewal of an identity that is found expired (a laptop woke).
_RENEWAL_WAIT_S: Final = 8.0
_RETRY_AFTER_S: Final = 2
_MOST_IDLE: Final = 64
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


#: Upper bounds of the classes that durations are counted in, in seconds.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """One identity with one trust, as a TLS context; None for plaintext. `not_after` is a Unix
    time.
    """

    generation: int
    context: SSL.Context | None
    not_after: float
    spiffe_id: str = ""


_PLAINTEXT: Final = Credentials(0, None, inf)


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """Credentials towards one far side: a connection made in an epoch gets no new request after
    it, and ends with its certificate at the latest. Compared by identity.
    """

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class _Wait:
    """Why a request waits for the end of an epoch, and what it fails with if that doesn't come."""

    epoch: Epoch
    failure: Failure


class Route:
    """Gives each request a connection, made with the identity of now.

    Attributes:
        spec: the snapshot's route in use.
        rules: its header firewall.
        epoch: towards the upstream; None without an identity or with unusable material, and
            `reason` then says why.
        door: the same towards the callers of an ingress, whose upstream is plaintext.
        connections: towards the upstream, in every state; tunnels too.
    """

    __slots__ = (
        "_denials",
        "_dialling",
        "_idle",
        "_preferred",
        "_quiet_until",
        "_refused",
        "_waiting",
        "connections",
        "door",
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
        self.connections: set[Dial | UpstreamConnection | Tunnel] = set()
        self._idle: list[UpstreamConnection] = []
        self._dialling: dict[Dial, Downstream] = {}
        self._waiting: dict[Downstream, _Wait] = {}
        self._refused = _Refusals()
        self._preferred: tuple[str, int] | None = None
        self.epoch: Epoch | None = None
        self.door: Epoch | None = None
        self.reason = ""
        self.spec = spec
        self.rules = HeaderRules(spec)

    # -- snapshots -------------------------------------------------------------------------------

    def apply(self, spec: RouteSpec, credentials: Credentials | None, reason: str) -> None:
        """Take over a snapshot's values. Another identity, trust or far side begins a new epoch:
        idle connections close at once; busy ones finish what they carry, at the latest when their
        certificate ends, and at once if they could not be made any more.
        """
        before = self.spec
        if spec != before:
            self.spec = spec
            self.rules = HeaderRules(spec)
        self.reason = reason
        same_tls = spec.tls == before.tls
        same_far_side = spec.upstream.authority == before.upstream.authority
        if spec.ingress:
            self.door = _next_epoch(self.door, credentials, same=same_tls)
            self._move_on(_next_epoch(self.epoch, _PLAINTEXT, same=same_far_side))
        else:
            self._move_on(_next_epoch(self.epoch, credentials, same=same_far_side and same_tls))
        if not (same_far_side and same_tls):
            stats = self.stats
            stats.tls_version = stats.tls_group = stats.tls_cipher = stats.peer = ""
        if credentials is not None and not same_tls:
            self._end_objectionable(credentials)
        self._dispatch_waiting()

    def _move_on(self, epoch: Epoch | None) -> None:
        if epoch is not self.epoch:
            self.epoch = epoch
            self._retire_idle("generation")

    def _end_objectionable(self, credentials: Credentials) -> None:
        """A revoked far side, or one of an authority that is trusted no more, is cut at once."""
        if credentials.context is None:
            return
        store = store_of(credentials.context)
        if self.spec.ingress:
            for client in self.plane.clients_of(self):
                if isinstance(client.stream, TlsStream):
                    why = objection(client.stream.connection, store, "the caller")
                    why = why or _stranger(client.caller.peer, self.spec.tls.peers)
                    if why:
                        self._note_cut(why)
                        client.retire(force=True)
            return
        for connection in list(self.connections):
            stream = connection.stream
            if isinstance(connection, Dial) or not isinstance(stream, TlsStream):
                continue
            why = objection(stream.connection, store, "the server")
            if why:
                self._note_cut(why)
                connection.retire("untrusted")

    def _note_cut(self, why: str) -> None:
        self.plane.tell(events.LOG, level="warning", message=f"{self.name}: cut, as {why}")

    def _dispatch_waiting(self) -> None:
        for client, wait in list(self._waiting.items()):
            if wait.epoch is not self.epoch or self.spec.unavailable:
                del self._waiting[client]
                client.deadline = inf
                self.dispatch(client)

    def _retire_idle(self, reason: str) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.retire(reason)

    def leave(self) -> None:
        """The route is gone from the configuration: what is in flight may finish."""
        self.epoch = self.door = None
        self.spec = replace(self.spec, unavailable="the route was removed")
        self._retire_idle("route_removed")
        self._dispatch_waiting()

    def retire_expired(self, wall: float) -> None:
        """End connections whose certificate is no longer good."""
        for connection in list(self.connections):
            if connection.epoch.credentials.not_after <= wall:
                connection.retire("certificate_expired")

    # -- a request's way -------------------------------------------------------------------------

    def dispatch(self, client: Downstream) -> None:
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
                connection.begin(client)  # type: ignore[arg-type]  # only HTTP fills the pool
                return
            connection.retire("stale")
        deadline = self.plane.reactor.now + self.plane.limits.connect_timeout_s
        self._dial(client, epoch, self._addresses(), deadline)

    def _await_renewal(self, client: Downstream, epoch: Epoch) -> None:
        if not self._waiting:
            self.plane.tell(events.IDENTITY_EXPIRED, generation=epoch.credentials.generation)
        failure = Failure(
            "identity_expired",
            "the certificate has expired and no new one came in time",
            _RETRY_AFTER_S,
        )
        self._await_next_epoch(client, epoch, failure, client.started + _RENEWAL_WAIT_S)

    def _await_next_epoch(
        self, client: Downstream, epoch: Epoch, failure: Failure, deadline: float
    ) -> None:
        client.deadline = deadline
        self._waiting[client] = _Wait(epoch, failure)

    def waited_too_long(self, client: Downstream) -> None:
        """The renewal did not come in time."""
        wait = self._waiting.pop(client, None)
        if wait is not None:
            client.fail(wait.failure)

    def _addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to dial, in order, beginning with the address that last answered."""
        addresses = self.spec.upstream.addresses
        if self._preferred not in addresses:
            return addresses
        first = addresses.index(self._preferred)
        return addresses[first:] + addresses[:first]

    def _dial(
        self,
        client: Downstream,
        epoch: Epoch,
        addresses: tuple[tuple[str, int], ...],
        deadline: float,
    ) -> None:
        if not addresses:
            client.fail(Failure("unresolved", self.spec.upstream.resolve_error, _RETRY_AFTER_S))
            return
        address, *others = addresses
        try:
            dial = Dial(self, epoch, address, others=tuple(others), deadline=deadline)
        except OSError as error:  # no descriptor is left, or no such address family
            reason = "overloaded" if error.errno in _EXHAUSTED else "unreachable"
            code = errno.errorcode.get(error.errno or 0, "unknown")
            failure = Failure(reason, f"no socket: {code}", _RETRY_AFTER_S)
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
        self._note_established(dial.stream, peer)
        self._preferred = dial.address
        self.connections.discard(dial)
        client = self._dialling.pop(dial, None)
        wanted = client is not None and not client.closed
        if client is not None and wanted:
            client.dialling = None
            if dial.epoch is self.epoch and not self.spec.unavailable:
                client.connected(dial)
                return
        # The world changed meanwhile: judge the request by the present one.
        if self.spec.kind == "http":
            self.released(UpstreamConnection(self, dial))
        else:
            dial.stream.abort()
        if client is not None and wanted:
            self.dispatch(client)

    def _note_established(self, stream: Stream, peer: str) -> None:
        if not isinstance(stream, TlsStream):
            return
        tls = stream.connection
        stats = self.stats
        stats.handshakes += 1
        stats.tls_version = tls.get_protocol_version_name()
        stats.tls_group = tls.get_group_name() or ""
        stats.tls_cipher = tls.get_cipher_name() or ""
        stats.peer = peer

    def not_established(self, dial: Dial, failure: Failure) -> None:
        """A dial failed: the next address, or the client is told."""
        self.connections.discard(dial)
        if failure.reason not in ("unreachable", "connect_timeout"):
            _count(self.stats.handshake_failures, failure.reason)
        client = self._dialling.pop(dial, None)
        if client is None or client.closed:
            self.note_failure(failure)
            return
        client.dialling = None
        if dial.epoch is not self.epoch or failure.reason == "identity_expired":
            self.dispatch(client)  # another identity or far side may do better
        elif dial.others:
            self._dial(client, dial.epoch, dial.others, dial.give_up)
        else:
            client.fail(failure)

    def abandon(self, client: Downstream) -> None:
        """The client went away while it waited."""
        dial = client.dialling
        client.dialling = None
        if dial is not None:
            self._dialling.pop(dial, None)
            self.retired(dial, "abandoned")
            dial.abort()
        else:
            self._waiting.pop(client, None)

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
        self._refused.forget()
        self._idle.append(connection)

    def retired(self, connection: Dial | UpstreamConnection | Tunnel, reason: str) -> None:
        """A connection is being closed."""
        self.connections.discard(connection)
        _count(self.stats.retired, reason)
        if isinstance(connection, UpstreamConnection) and connection in self._idle:
            self._idle.remove(connection)

    def exchange_failed(
        self, client: ClientConnection, failure: Failure, connection: UpstreamConnection
    ) -> None:
        """An exchange broke. A request of which nothing was answered is sent once more if that can
        do no harm, and only in two cases: it went out on a kept connection which the upstream was
        just closing, or the upstream refused our certificate and a new one may help.
        """
        refused = failure.reason == "certificate_refused"
        closed = failure.reason == "upstream_closed" and connection.exchanges > 0
        if (
            (refused or closed)
            and connection.unanswered
            and client.resendable
            and not client.replayed
            and may_replay(client.request.method, client.request.mcp_method)
            and (not refused or self._refresh_may_help(connection.epoch))
        ):
            client.replayed = True
            client.await_upstream()
            if refused and connection.epoch is self.epoch:
                deadline = self.plane.reactor.now + _RENEWAL_WAIT_S
                self._await_next_epoch(client, connection.epoch, failure, deadline)
            else:
                self.dispatch(client)
        else:
            client.fail(failure)

    def _refresh_may_help(self, epoch: Epoch) -> bool:
        now = self.plane.reactor.now
        return epoch is not self.epoch or self._refused.may_wait(epoch.credentials.generation, now)

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

    def note_arrival_failed(self, failure: Failure) -> None:
        """Count a handshake of an ingress that failed."""
        _count(self.stats.handshake_failures, failure.reason)
        self.stats.last_error = failure.detail
        self.stats.last_error_at = time.time()

    def certificate_refused(self, alert: Alert, generation: int) -> Failure:
        """Tell the supervisor, which asks for one refresh; what to tell the client."""
        self.plane.tell(
            events.LATE_ALERT,
            route=self.name,
            alert=alert.name,
            cause=alert.cause,
            generation=generation,
        )
        return Failure("certificate_refused", f"{alert.cause} (TLS alert {alert.name!r})")


class _Refusals:
    """Whether waiting for another certificate makes sense after an upstream refused one.

    It does for a while after the first refusal. When the next generation is refused too, the
    certificate isn't what is wrong, and every request is told at once.
    """

    __slots__ = ("_ends", "_first")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A certificate was accepted."""
        self._first = -1
        self._ends = 0.0

    def may_wait(self, generation: int, now: float) -> bool:
        """Note that a generation was refused; whether to wait for the next one."""
        if self._first < 0:
            self._first = generation
            self._ends = now + _RENEWAL_WAIT_S
        return generation == self._first and now < self._ends


def _stranger(spiffe_id: str, allowed: tuple[str, ...]) -> str:
    """Why a caller that was let in once would not be today, or ""."""
    try:
        peer_allowed(spiffe_id, allowed)
    except PeerRejected as rejected:
        return str(rejected)
    return ""


def _next_epoch(
    epoch: Epoch | None, credentials: Credentials | None, *, same: bool
) -> Epoch | None:
    """The epoch that goes on with the `same` far side and credentials, or a new one."""
    if credentials is None:
        return None
    if epoch is not None and epoch.credentials is credentials and same:
        return epoch
    return Epoch(credentials)


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
