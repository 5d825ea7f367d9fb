"""All that one worker holds, and the way a snapshot changes it."""

from __future__ import annotations

import os
import socket
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from gateway.data_plane.access_log import AccessLog
from gateway.data_plane.arrival import Arrival
from gateway.data_plane.caller import CallerLookup
from gateway.data_plane.downstream import Downstream
from gateway.data_plane.epoch import Credentials
from gateway.data_plane.judge import Judge, Objection
from gateway.data_plane.listener import Listener
from gateway.data_plane.reactor import Reactor, system_poller
from gateway.data_plane.room import Room
from gateway.data_plane.route import Route
from gateway.data_plane.route_numbers import BUCKETS, gather
from gateway.data_plane.silence import WatchedStream
from gateway.data_plane.tls import Material, client_context, load_material, server_context
from gateway.ipc import events
from gateway.ipc.sessions import Sessions
from gateway.ipc.snapshot import IdentitySpec, LimitsSpec, ListenerSpec, RouteSpec, Snapshot
from gateway.ipc.stats import WorkerStats

#: The status of an exchange whose client went away before an answer, as nginx has it.
_CLIENT_GONE: Final = 499
_LINES_A_BATCH: Final = 128
#: So much later than the last tick, the machine has slept: ticks come once a second.
_SLEPT_S: Final = 6.0
#: How often requests that can't be served for want of an identity make the supervisor try for one.
_WANT_EVERY_S: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """An identity with its material as objects. Compared by identity."""

    spec: IdentitySpec
    material: Material


#: Identity; whether as server; authorities; revocation lists; application protocols.
_ContextKey = tuple[_Loaded, bool, str, str, tuple[str, ...]]


class DataPlane:
    """The root of a worker. `tell(event, **fields)` reports to the supervisor.

    Attributes:
        clients: open downstream connections; `arrivals` are still shaking hands, oldest first.
        watched_streams: event streams that get a comment when they are silent.
        limits: bounds of the snapshot in use.
        draining: whether new requests end their connections.
        sessions: where upstreams' sessions are, of all workers.
        asleep_from: a Unix time that comes before the next tick only if nothing runs meanwhile.
    """

    def __init__(self, tell: Callable[..., None]) -> None:
        self.reactor = Reactor(system_poller(), self._on_tick)
        self.tell = tell
        self.limits = LimitsSpec()
        self.clients: set[Downstream] = set()
        self.arrivals: dict[Arrival, None] = {}
        self.room = Room(self)
        self.watched_streams: list[WatchedStream] = []
        self.callers = CallerLookup()
        self.own_uid = os.getuid() if hasattr(os, "getuid") else -1
        self.routes: dict[str, Route] = {}
        self.access_log = AccessLog()
        self.draining = False
        self.on_tick: Callable[[], None] = _nothing
        self.on_lines: Callable[[], None] = _nothing
        self.sessions = Sessions()
        self.asleep_from = time.time() + _SLEPT_S
        self._log_access = True
        self._listeners: dict[str, Listener] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._snapshot = 0
        self._loaded: dict[str, _Loaded] = {}
        self._wanted_at: dict[str, float] = {}
        self._credentials: dict[_ContextKey, Credentials] = {}
        self._leaving: list[Route] = []
        self._id_prefix = os.urandom(5).hex().encode()
        self._id_count = 0

    def next_request_id(self) -> bytes:
        """An id that is unique across workers and restarts."""
        self._id_count += 1
        return b"%b-%x" % (self._id_prefix, self._id_count)

    # -- snapshots -------------------------------------------------------------------------------

    def add_socket(self, listener_id: str, sock: socket.socket) -> None:
        """A listening socket that the next snapshot will name."""
        self._sockets[listener_id] = sock

    def apply(self, snapshot: Snapshot) -> None:
        """Make the snapshot the state of the world. A route whose material can't be used answers
        503 with the reason; the others are not touched by its trouble.
        """
        self._snapshot = snapshot.number
        self.limits = snapshot.limits
        self._log_access = snapshot.access_log
        self.access_log.peeks = snapshot.mcp_peek
        reasons = self._take_identities(snapshot)
        credentials: dict[_ContextKey, Credentials] = {}
        for spec in snapshot.routes:
            why = reasons.get(spec.identity, "")
            given, why = self._credentials_for(spec, credentials, why)
            route = self.routes.get(spec.name)
            if route is None or not route.suits(spec):
                self._remove(spec.name)
                route = self.routes[spec.name] = Route(self, spec)
            moved = [self._place(listener, route) for listener in spec.listeners]
            route.apply(spec, given, why)
            if spec.ingress and any(moved):
                route.judge_again()  # who came in by the trust of another route
        self._credentials = credentials
        self._remove_others(snapshot.routes)

    def _remove_others(self, routes: tuple[RouteSpec, ...]) -> None:
        named = {listener.id for spec in routes for listener in spec.listeners}
        for gone in self._listeners.keys() - named:
            self._listeners.pop(gone).close()
        for name in self.routes.keys() - {spec.name for spec in routes}:
            self._remove(name)
        for client in list(self.clients):
            if client.listener.closed:
                client.retire(force=False)

    def _remove(self, name: str) -> None:
        route = self.routes.pop(name, None)
        if route is not None:
            route.leave()
            self._leaving.append(route)

    def _take_identities(self, snapshot: Snapshot) -> dict[str, str]:
        """Load each identity's material; by name the reason why one has none."""
        reasons = dict(snapshot.missing)
        before, self._loaded = self._loaded, {}
        for identity in snapshot.identities:
            known = before.get(identity.name)
            if known is not None and known.spec == identity:
                self._loaded[identity.name] = known
                continue
            try:
                self._loaded[identity.name] = _Loaded(identity, load_material(identity))
            except ValueError as error:
                reasons[identity.name] = f"the identity's material can't be read: {error}"
        return reasons

    def _credentials_for(
        self, spec: RouteSpec, made: dict[_ContextKey, Credentials], reason: str
    ) -> tuple[Credentials | None, str]:
        """The TLS context for a route's trust: kept while identity and trust stay the same."""
        loaded = self._loaded.get(spec.identity)
        if loaded is None or reason:
            return None, reason or "no identity has been obtained yet"
        key = (loaded, spec.ingress, spec.tls.bundle_pem, spec.tls.crl_pem, spec.tls.alpn)
        credentials = made.get(key) or self._credentials.get(key)
        if credentials is None:
            make = server_context if spec.ingress else client_context
            try:
                context = make(loaded.material, spec.tls)
            except (ValueError, SSL.Error) as error:
                self.tell(events.ROUTE_REJECTED, route=spec.name, reason=type(error).__name__)
                return None, "the route's trust bundle or the identity can't be used"
            identity = loaded.spec
            credentials = Credentials(
                identity.generation,
                context,
                identity.not_after,
                identity.spiffe_id,
                identity.renewable_at,
            )
        made[key] = credentials
        return credentials, ""

    def want_identity(self, name: str) -> None:
        """A caller fails for want of this identity: don't leave it to the pace of failed renewals
        when the next one is tried.
        """
        now = self.reactor.now
        loaded = self._loaded.get(name)
        if now - self._wanted_at.get(name, -_WANT_EVERY_S) < _WANT_EVERY_S:
            return
        if loaded is None or loaded.spec.not_after <= time.time():
            self._wanted_at[name] = now
            generation = 0 if loaded is None else loaded.spec.generation
            self.tell(events.IDENTITY_EXPIRED, identity=name, generation=generation)

    def _place(self, spec: ListenerSpec, route: Route) -> bool:
        """Give a listener its values; whether it was another route's before."""
        listener = self._listeners.get(spec.id)
        if listener is not None and listener.route.suits(route.spec):
            before = listener.route
            listener.apply(spec, route)
            return before is not route
        sock = listener.give_up() if listener is not None else self._sockets.pop(spec.id, None)
        if sock is not None:
            self._listeners[spec.id] = Listener(self, spec, sock, route)
        return False

    # -- time ------------------------------------------------------------------------------------

    def _on_tick(self) -> None:
        """Once a second: deadlines, expired certificates, and what the link wants to do."""
        now = self.reactor.now
        wall = time.time()
        if wall >= self.asleep_from:
            self.awake(wall)
        self.asleep_from = wall + _SLEPT_S
        self._sweep_clients(now, wall)
        self.watched_streams = [item for item in self.watched_streams if item.on_tick(now)]
        self._leaving = [route for route in self._leaving if route.pool.connections]
        for route in (*self.routes.values(), *self._leaving):
            route.pool.sweep(now)
            route.pool.retire_expired(wall)
            route.tell_more()
        for listener in self._listeners.values():
            if listener.deadline <= now:
                listener.on_deadline()
        self.on_tick()

    def awake(self, wall: float) -> None:
        """The machine, or this process, slept, and what upstreams did meanwhile isn't known: idle
        connections may be dead without a sign of it, and aren't trusted with a request.
        """
        self.asleep_from = wall + _SLEPT_S
        for route in self.routes.values():
            route.pool.retire_idle("slept")

    def _sweep_clients(self, now: float, wall: float) -> None:
        buffered = 0
        for client in self._open_clients():
            buffered += client.buffered
            if client.deadline <= now:
                client.on_deadline()
            elif client.ends <= wall:
                client.expire()
        self.room.buffered = buffered
        for arrival in list(self.arrivals):
            if arrival.deadline <= now:
                arrival.on_deadline()

    def retire(self) -> None:
        """Stop accepting, as others do so by now: each connection ends with its next response, or
        when it was idle for long enough. Snapshots still change what is being done.
        """
        self.draining = True
        for listener in self._listeners.values():
            listener.stop()

    def renewed(self, name: str) -> None:
        """The supervisor has tried to get other credentials for a route: see `Kind.RENEWED`."""
        route = self.routes.get(name)
        if route is not None:
            route.refused.answered()

    def drain(self) -> None:
        """Stop accepting; idle connections close now, busy ones after their response."""
        self.draining = True
        for route in self.routes.values():
            route.refused.let_go("unchanged")
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._abort_arrivals()
        self._retire_clients(force=False)

    def force(self) -> int:
        """Cut what is still open; how many connections that were."""
        left = len(self.clients)
        self._abort_arrivals()
        self._retire_clients(force=True)
        for route in self.routes.values():
            route.tell_more()
        return left

    def _abort_arrivals(self) -> None:
        for arrival in list(self.arrivals):
            arrival.abort()

    @property
    def drained(self) -> bool:
        """Whether every client connection is gone."""
        return not self.clients and not self.arrivals

    def _retire_clients(self, *, force: bool) -> None:
        for client in self._open_clients():
            client.retire(force=force)

    def _open_clients(self) -> Iterator[Downstream]:
        """Each connection that is open when its turn comes: the end of one can end others, such as
        those that wait in line for it.
        """
        for client in list(self.clients):
            if not client.closed:
                yield client

    def cut_callers(self, route: Route, judge: Judge) -> list[Objection]:
        """End each connection of an ingress's callers that may not go on, with what it carries."""
        objections: list[Objection] = []
        for client in self._open_clients():
            if client.listener.route is not route:
                continue
            objection = judge.objection(client.stream)
            if objection is not None:
                objections.append(objection)
                client.distrust(objection)
        return objections

    # -- numbers ---------------------------------------------------------------------------------

    def record(self, client: Downstream) -> None:
        """A request is finished, however it ended."""
        now = self.reactor.now
        route = client.route
        stats = route.stats
        status = client.status or _CLIENT_GONE
        route.statuses[status] = route.statuses.get(status, 0) + 1
        stats.bytes_up += client.bytes_up
        stats.bytes_down += client.bytes_down
        took = now - client.started
        stats.duration_sum_s += took
        route.durations[bisect_left(BUCKETS, took)] += 1
        reason = client.reason
        if reason == "client_closed":
            stats.client_aborts += 1
        if self._log_access or reason or client.status > 399:
            self.access_log.add(client, now)
            if len(self.access_log.lines) >= _LINES_A_BATCH:
                self.on_lines()

    def stats(self) -> WorkerStats:
        """The numbers of now: counters as they stand, gauges counted afresh."""
        gather(self.routes.values(), self.clients)
        return WorkerStats(
            pid=os.getpid(),
            snapshot=self._snapshot,
            open_connections=len(self.clients) + len(self.arrivals),
            buffered_bytes=self.room.buffered,
            routes={name: route.stats for name, route in self.routes.items()},
        )


def _nothing() -> None:
    """The tick of a plane without a supervisor."""
