"""A route at run time: header rules, the current epoch, who waits for the next one, its numbers."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from gateway.data_plane.card_rules import rules_of
from gateway.data_plane.endpoint import Endpoint, Endpoints
from gateway.data_plane.epoch import PLAINTEXT, Credentials, Epoch, next_epoch
from gateway.data_plane.failure import Failure, is_server_fault
from gateway.data_plane.judge import Judge, Objection
from gateway.data_plane.pool import RETRY_AFTER_S, Pool
from gateway.data_plane.refusals import RENEWAL_WAIT_S, Refusals
from gateway.data_plane.refused_exchanges import RefusedExchanges
from gateway.data_plane.replay import may_replay
from gateway.data_plane.route_numbers import BUCKETS, count_in
from gateway.data_plane.stream import Stream, TlsStream
from gateway.data_plane.tally import Tally
from gateway.data_plane.waiting_line import WaitingLine
from gateway.ipc import events
from gateway.ipc.snapshot import RouteSpec
from gateway.ipc.stats import RouteStats

if TYPE_CHECKING:
    from gateway.data_plane.agent_card import LocalCard
    from gateway.data_plane.caller import Caller
    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.policy import Verdict
    from gateway.data_plane.tls import Alert
    from gateway.data_plane.upstream import UpstreamConnection


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
        endpoints: the addresses of its upstream.
        pool: its connections towards the upstream.
        refusals: of our certificate by the upstream.
        refused: exchanges of which it refused the credentials.
    """

    __slots__ = (
        "_denied",
        "_line",
        "_strangers",
        "_told_card",
        "_told_refusal",
        "_waiting",
        "door",
        "durations",
        "encoded_name",
        "endpoints",
        "epoch",
        "name",
        "plane",
        "pool",
        "reason",
        "refusals",
        "refused",
        "rules",
        "spec",
        "stats",
        "statuses",
    )

    def __init__(self, plane: DataPlane, spec: RouteSpec) -> None:
        self.plane = plane
        self.name = spec.name
        self.encoded_name = spec.name.encode()
        self._denied = Tally()
        self._strangers = Tally()
        self._told_card = ""
        self._told_refusal = (0, "")
        self.stats = RouteStats()
        self.statuses: dict[int, int] = {}
        self.durations = [0] * (len(BUCKETS) + 1)
        self._waiting: dict[Downstream, _Wait] = {}
        self._line = WaitingLine()
        self.refusals = Refusals()
        self.refused = RefusedExchanges(self)
        self.epoch: Epoch | None = None
        self.door: Epoch | None = None
        self.reason = ""
        self.spec = spec
        self.rules = rules_of(spec)
        self.endpoints = Endpoints(self)
        self.pool = Pool(self, self.endpoints)
        self.endpoints.update(spec)

    # -- snapshots -------------------------------------------------------------------------------

    def apply(self, spec: RouteSpec, credentials: Credentials | None, reason: str) -> None:
        """Take over a snapshot's values. Another identity, trust or far side begins a new epoch:
        idle connections close at once; busy ones finish what they carry, at the latest when their
        certificate ends, and at once if they could not be made any more.
        """
        before = self.spec
        if spec != before:
            self.spec = spec
            self.rules = rules_of(spec)
            self.endpoints.update(spec)
            if spec.identity != before.identity:
                self.refusals = Refusals()  # its generations are counted on their own
        self.endpoints.keep_idle(self.plane.limits.upstream_idle_timeout_s)
        self.reason = reason
        same_trust = spec.tls == before.tls
        authority = spec.upstream.authority
        if spec.ingress:
            self.door = next_epoch(self.door, credentials, same_trust=same_trust)
            self._move_on(next_epoch(self.epoch, PLAINTEXT, authority, same_trust=True))
        else:
            self._move_on(next_epoch(self.epoch, credentials, authority, same_trust=same_trust))
        if not (same_trust and authority == before.upstream.authority):
            stats = self.stats
            stats.tls_version = stats.tls_group = stats.tls_cipher = stats.peer = ""
        if not same_trust:
            self.judge_again()
        self.refused.changed()
        self._dispatch_waiting()

    def suits(self, spec: RouteSpec) -> bool:
        """Whether `apply` can take the values over: another kind is another route."""
        return (spec.kind, spec.ingress) == (self.spec.kind, self.spec.ingress)

    def _move_on(self, epoch: Epoch | None) -> None:
        if epoch is not self.epoch:
            self.epoch = epoch
            self.pool.retire_idle("generation")

    def judge_again(self) -> None:
        """Cut what could not be made any more under the trust of now."""
        try:
            judge = Judge(self.spec)
        except ValueError:
            return  # nobody can be told apart by it; the plane has told the supervisor
        cut = self.plane.cut_callers(self, judge) if self.spec.ingress else self.pool.cut(judge)
        for objection, count in Counter(cut).items():
            self._tell_cut(objection, count)

    def objection_to(self, stream: Stream) -> str:
        """Why a caller whose handshake began under another trust may not come in now, or ""."""
        try:
            objection = Judge(self.spec).objection(stream)
        except ValueError as error:
            return f"the route's trust can't be read: {error}"
        return objection.why if objection else ""

    def _tell_cut(self, objection: Objection, count: int) -> None:
        connections = "a connection" if count == 1 else f"{count} connections"
        self.plane.tell(
            events.LOG,
            level="warning",
            message=f"{self.name}: cut {connections} with {objection.peer}: {objection.why}",
            route=self.name,
            peer=objection.peer,
            reason=objection.reason,
        )

    def note_card(self, card: LocalCard) -> None:
        """Tell what a client won't find in the card, or where that leads past us; the same once."""
        note = card.note()
        if note != self._told_card:
            self._told_card = note
            if note:
                message = f"{self.name}: the agent's card {note}"
                self.plane.tell(events.LOG, level="warning", message=message, route=self.name)

    def _dispatch_waiting(self) -> None:
        for client, wait in list(self._waiting.items()):
            if wait.epoch is not self.epoch or self.spec.unavailable:
                del self._waiting[client]
                client.deadline = inf
                self.dispatch(client)
        self.serve_line()

    def leave(self) -> None:
        """The route is gone from the configuration: what is in flight may finish."""
        self.epoch = self.door = None
        self.spec = replace(self.spec, unavailable="the route was removed")
        self.pool.retire_idle("route_removed")
        self.refused.changed()
        self._dispatch_waiting()

    # -- a request's way -------------------------------------------------------------------------

    def dispatch(self, client: Downstream) -> None:
        """Give the client a connection now or after a dial, or fail it with the reason."""
        if self.spec.unavailable:
            client.fail(Failure("route_unavailable", self.spec.unavailable, RETRY_AFTER_S))
            return
        epoch = self.epoch
        if epoch is None:
            self.plane.want_identity(self.spec.identity)
            client.fail(Failure("no_identity", self.reason, RETRY_AFTER_S))
            return
        # The wall clock, because a monotonic one stands still while a laptop sleeps.
        wall = time.time()
        if wall >= self.plane.asleep_from:
            self.plane.awake(wall)
        if wall >= epoch.credentials.not_after:
            self._await_renewal(client, epoch)
            return
        pool = self.pool
        endpoint = self.endpoints.only or self.endpoints.choose(client)
        if endpoint is None:
            client.fail(Failure("unresolved", self.spec.upstream.resolve_error, RETRY_AFTER_S))
            return
        connection = pool.take(endpoint, epoch)
        if connection is not None:
            connection.begin(client)  # type: ignore[arg-type]  # only HTTP fills the pool
        elif self.plane.room.crowded:
            client.fail(Failure("overloaded", self.plane.room.crowded, RETRY_AFTER_S))
        elif pool.is_full:
            self._serve_without_dial(client, epoch, endpoint)
        else:
            pool.dial(client, epoch, endpoint)

    def _serve_without_dial(self, client: Downstream, epoch: Epoch, endpoint: Endpoint) -> None:
        """An idle connection to any address will do for a request that doesn't have to go to one;
        what gets none waits in line.
        """
        may_go_elsewhere = self.endpoints.bound(client) is None
        connection = self.pool.take_any(endpoint, epoch) if may_go_elsewhere else None
        if connection is not None:
            connection.begin(client)  # type: ignore[arg-type]  # only HTTP fills the pool
        else:
            self._line.join(client, self.plane.limits, self.plane.reactor.now)

    def serve_line(self) -> None:
        """A connection came back or ended, or the world changed: the first in line may go."""
        while self._line:
            serves = self.epoch is not None and not self.spec.unavailable
            full = serves and self.pool.is_full
            if full and not self.pool.has_idle:
                return
            client = self._line.next(self._finds_idle if full else None)
            if client is None:
                return
            self.dispatch(client)

    def _finds_idle(self, client: Downstream) -> bool:
        """Whether one of the idle connections will do."""
        bound = self.endpoints.bound(client)
        return bound is None or bool(bound.idle)

    def _await_renewal(self, client: Downstream, epoch: Epoch) -> None:
        if not self._waiting:
            self.plane.tell(
                events.IDENTITY_EXPIRED,
                identity=self.spec.identity,
                generation=epoch.credentials.generation,
            )
        failure = Failure(
            "identity_expired",
            "the certificate has expired and no new one came in time",
            RETRY_AFTER_S,
        )
        self._await_next_epoch(client, epoch, failure, client.started + RENEWAL_WAIT_S)

    def _await_next_epoch(
        self, client: Downstream, epoch: Epoch, failure: Failure, deadline: float
    ) -> None:
        client.deadline = deadline
        self._waiting[client] = _Wait(epoch, failure)

    def waited_too_long(self, client: Downstream) -> None:
        """Neither the renewal nor a free connection came in time."""
        wait = self._waiting.pop(client, None)
        if wait is not None:
            client.fail(wait.failure)
        else:
            self._line.waited_too_long(client)

    def abandon(self, client: Downstream) -> None:
        """The client went away while it waited."""
        dial = client.dialling
        client.dialling = None
        if dial is not None:
            self.pool.abandon(dial)
        else:
            self._waiting.pop(client, None)
            self._line.leave(client)

    def exchange_failed(
        self, client: ClientConnection, failure: Failure, connection: UpstreamConnection
    ) -> None:
        """An exchange broke. A request of which nothing was answered is sent once more if that can
        do no harm, and only where another connection may do better: it went out on a kept one which
        the upstream was just closing, the upstream is not trusted any more and may have another
        certificate by now, or it refused our certificate and a new one may help.
        """
        self.endpoints.broke(connection.endpoint, failure)
        if not self._may_send_again(client, connection):
            client.fail(failure)
        elif failure.reason == "certificate_refused":
            self._send_when_renewed(client, failure, connection.epoch)
        elif failure.reason == "trust_withdrawn" or (
            failure.reason == "upstream_closed" and connection.exchanges > 0
        ):
            self._send_again(client, failure)
        else:
            client.fail(failure)

    def _may_send_again(self, client: ClientConnection, connection: UpstreamConnection) -> bool:
        request = client.request
        return (
            connection.unanswered
            and client.resendable
            and not client.replayed
            and may_replay(request.method, request.mcp_method)
        )

    def _send_again(self, client: ClientConnection, failure: Failure) -> None:
        self._begin_again(client, failure)
        self.dispatch(client)

    def _begin_again(self, client: ClientConnection, failure: Failure) -> None:
        count_in(self.stats.retries, failure.reason)
        client.replayed = True
        client.await_upstream()

    def _send_when_renewed(self, client: ClientConnection, failure: Failure, epoch: Epoch) -> None:
        now, ours = self.plane.reactor.now, epoch.credentials
        renewable_in_s = ours.renewable_at - time.time()
        if epoch is not self.epoch:
            self._send_again(client, failure)
        elif ends := self.refusals.refused(ours.generation, now, renewable_in_s):
            self._begin_again(client, failure)
            self._await_next_epoch(client, epoch, failure, ends)
        else:
            client.fail(failure)

    # -- numbers ---------------------------------------------------------------------------------

    def note_failure(self, failure: Failure) -> None:
        """Count a failure, and keep its text if it is the upstream's or ours."""
        count_in(self.stats.failures, failure.reason)
        if is_server_fault(failure.reason):
            self.stats.last_error = failure.detail
            self.stats.last_error_at = time.time()

    def note_established(self, stream: Stream, peer: str) -> None:
        """Count a finished handshake, and keep what it came to."""
        if not isinstance(stream, TlsStream):
            return
        tls = stream.connection
        stats = self.stats
        stats.tls_version = tls.get_protocol_version_name()
        stats.tls_group = tls.get_group_name() or ""
        count_in(stats.handshakes, f"{stats.tls_version} {stats.tls_group}")
        stats.tls_cipher = tls.get_cipher_name() or ""
        stats.peer = peer

    def note_not_established(self, failure: Failure) -> None:
        """Count a handshake that failed; a connection that wasn't made is none."""
        if failure.reason not in ("unreachable", "connect_timeout"):
            count_in(self.stats.handshake_failures, failure.reason)

    def note_retired(self, reason: str) -> None:
        """Count an upstream connection that is closed."""
        count_in(self.stats.retired, reason)

    def note_ejected(self, reason: str) -> None:
        """Count an address that is left out for a while."""
        count_in(self.stats.ejections, reason)

    def note_rejected(self, rule: str) -> None:
        """Count a request refused by the listener, by rule."""
        count_in(self.stats.rejected, rule)

    def tell_denied(self, listener: str, verdict: Verdict, caller: Caller) -> None:
        """Count a refused caller and tell the supervisor, now or with the others of this second:
        whoever may not use the route may still knock as often as it likes.
        """
        count_in(self.stats.denied, verdict.denied)
        if self._denied.note((listener, _with_caller(verdict.why, caller))):
            caller.exe()  # it may take a while, and is then known to the label
            self._tell_denied(listener, _with_caller(verdict.why, caller), 1)

    def note_arrival_failed(self, listener: str, failure: Failure) -> None:
        """Count a handshake of an ingress that failed, and tell of it likewise."""
        count_in(self.stats.handshake_failures, failure.reason)
        self.stats.last_error = failure.detail
        self.stats.last_error_at = time.time()
        if self._strangers.note((listener, failure.detail)):
            self._tell_stranger(listener, failure.detail, 1)

    def tell_more(self) -> None:
        """Each second, and at the end: what happened again since it was told."""
        for (listener, why), count in self._denied.due():
            self._tell_denied(listener, why, count)
        for (listener, why), count in self._strangers.due():
            self._tell_stranger(listener, why, count)

    def _tell_denied(self, listener: str, why: str, count: int) -> None:
        self.plane.tell(
            events.CALLER_DENIED, route=self.name, listener=listener, reason=why, count=count
        )

    def _tell_stranger(self, listener: str, why: str, count: int) -> None:
        # A line of the log and not of the journal: nobody is known to have called.
        message = f"{self.name}: a handshake failed: {why}"
        self.plane.tell(
            events.LOG, level="warning", message=message, listener=listener, count=count
        )

    def certificate_refused(self, alert: Alert, generation: int) -> Failure:
        """Count it, and tell the supervisor, once for each generation, so that it asks for another;
        what to tell the client.
        """
        count_in(self.stats.late_alerts, alert.name)
        if (generation, alert.name) != self._told_refusal:
            self._told_refusal = (generation, alert.name)
            self.plane.tell(
                events.LATE_ALERT,
                route=self.name,
                identity=self.spec.identity,
                alert=alert.name,
                cause=alert.cause,
                generation=generation,
            )
        return Failure("certificate_refused", f"{alert.cause} (TLS alert {alert.name!r})")


def _with_caller(why: str, caller: Caller) -> str:
    return why if caller.uid is None else f"{why} ({caller.label()})"
