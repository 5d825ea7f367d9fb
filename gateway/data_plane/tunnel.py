"""Two streams joined: what one sends the other gets, byte by byte, until both have ended.

A direction ends by itself (RFC 9293 section 3.6, RFC 8446 section 6.1): the end of one side's
sending is passed on as the end of the other side's receiving, and bytes the other way go on.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.connection import Connection
from gateway.data_plane.reactor import ERROR, HANGUP, READ, WRITE, Reactor
from gateway.data_plane.stream import CLOSED, ConnectionLost, Stream

if TYPE_CHECKING:
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.judge import Objection
    from gateway.data_plane.route import Route
    from gateway.data_plane.upstream import UpstreamConnection

_READS_A_TURN: Final = 8


class Tunnel:
    """Takes over a caller's stream and an upstream's.

    Attributes:
        epoch: what the upstream connection was made with, and `endpoint` where it leads.
        deadline: monotonic seconds at which a side that takes nothing is given up.
    """

    __slots__ = ("_downstream", "_far", "_near", "_route", "deadline", "endpoint", "epoch")

    def __init__(
        self,
        downstream: Downstream,
        route: Route,
        upstream: Dial | UpstreamConnection,
        *,
        waiting: bytes = b"",
        opening: bytes = b"",
    ) -> None:
        """`waiting` goes to the upstream first, what waits in the caller's `out` to the caller. The
        caller has to begin with `opening`.
        """
        self.epoch = upstream.epoch
        self.endpoint = upstream.endpoint
        self.deadline = inf
        self._downstream = downstream
        self._route = route
        reactor = downstream.reactor
        for_caller = downstream.hand_over()
        self._near = TunnelEnd(self, reactor, downstream.stream, downstream.fd, for_caller)
        self._far = TunnelEnd(self, reactor, upstream.stream, upstream.fd, waiting)
        self._near.other, self._far.other = self._far, self._near
        self._near.opening = opening
        upstream.stream.give_up_after(route.plane.limits.idle_timeout_s)
        downstream.tunnel = self
        upstream.endpoint.connections.add(self)

    def start(self, early_up: bytes) -> None:
        """Begin; `early_up` was read from the caller already."""
        for end in (self._near, self._far):
            if end.out:
                end.other.pause()
                self.waits()
        if early_up:
            self._near.pass_on(early_up)

    @property
    def generation(self) -> int:
        """The generation of the client certificate that was shown."""
        return self.epoch.credentials.generation

    @property
    def stream(self) -> Stream:
        """The upstream's."""
        return self._far.stream

    @property
    def buffered(self) -> int:
        """Bytes that wait to be taken, of both directions."""
        return len(self._near.out) + len(self._far.out)

    def count(self, end: TunnelEnd, size: int) -> None:
        """Bytes came from an end."""
        downstream = self._downstream
        if end is self._near:
            downstream.bytes_up += size
        else:
            downstream.bytes_down += size
            if not downstream.first_byte_at:
                downstream.first_byte_at = end.reactor.now
                self._route.refusals.accepted(self.generation)

    def waits(self) -> None:
        """An end's peer takes nothing now: for as long as an idle connection is kept."""
        if self.deadline == inf:
            self.renew()

    def renew(self) -> None:
        """Some were taken."""
        self.deadline = self._near.reactor.now + self._route.plane.limits.idle_timeout_s

    def drained(self) -> None:
        """An end's bytes were taken."""
        if not self._near.out and not self._far.out:
            self.deadline = inf

    def lost(self, end: TunnelEnd, lost: ConnectionLost) -> None:
        """An end broke: the other one is told by a cut too."""
        if end is self._near:
            self._end("client_closed", cut=True)
            return
        alert = lost.alert
        reason = "upstream_closed"
        if alert is not None and alert.refuses_certificate and not self._downstream.first_byte_at:
            failure = self._route.certificate_refused(alert, self.generation)
            self._route.note_failure(failure)
            reason = failure.reason
        self._end(reason, cut=True)

    def direction_ended(self) -> None:
        """One direction is over, and its end was passed on."""
        near, far = self._near, self._far
        if near.finished and far.finished:
            self._end("", cut=False)
        elif near.finished and near.gone:
            self._end("client_closed", cut=False)

    def foreign(self) -> None:
        """The caller speaks something else than the upstream does: it may be a web page's browser,
        and nothing of it is passed on.
        """
        self._route.note_rejected("foreign_protocol")
        self._end("foreign_protocol", cut=True)

    def on_deadline(self) -> None:
        """A side took nothing for too long."""
        self._end("client_stalled" if self._near.out else "upstream_stalled", cut=True)

    def retire(self, reason: str) -> None:
        """Its time is over, whatever it carries."""
        self._end(reason, cut=True)

    def distrust(self, objection: Objection) -> None:
        """The far side is not trusted any more."""
        self._end(objection.reason, cut=True)

    def _end(self, reason: str, *, cut: bool) -> None:
        self.deadline = inf
        for end in (self._near, self._far):
            if end.closed:
                continue
            if cut:
                end.abort()
            else:
                end.close()
        self._route.pool.retired(self, reason or "tunnel_end")
        self._downstream.end_tunnel(reason)
        # The two ends refer to each other, and would keep their TLS connections, of some 40 KiB,
        # until the collector comes by.
        self._near.stream = self._far.stream = self._downstream.stream = CLOSED


class TunnelEnd(Connection):
    """One side of a tunnel.

    Attributes:
        other: the other side.
        finished: whether its peer's end was passed on to the other side.
        gone: whether its peer has closed altogether, and gets nothing any more.
        opening: what its peer still has to begin with.
    """

    __slots__ = ("_closing", "_tunnel", "finished", "gone", "opening", "other")

    other: TunnelEnd

    def __init__(
        self, tunnel: Tunnel, reactor: Reactor, stream: Stream, fd: int, out: bytes
    ) -> None:
        super().__init__(reactor, stream, fd)
        self._tunnel = tunnel
        self._closing = False
        self.finished = self.gone = False
        self.opening = b""
        self.out = out
        self._mask = READ | WRITE if out else READ
        reactor.add(fd, self._mask, self.on_event)

    def on_readable(self) -> None:
        """See `Connection`."""
        for _ in range(_READS_A_TURN):
            data = self.stream.read()
            if data is None:
                return
            if not data:
                self.reading_done()
                self.other.end()
                return
            self.pass_on(data)
            if self.closed or self.other.out or len(data) < self.stream.read_size:
                return

    def pass_on(self, data: bytes) -> None:
        """Give bytes of this side to the other one; no more are read while it can't take them."""
        if self.opening:
            size = min(len(data), len(self.opening))
            if data[:size] != self.opening[:size]:
                self._tunnel.foreign()
                return
            self.opening = self.opening[size:]
        self._tunnel.count(self, len(data))
        self.other.send(data)
        if self.other.out:
            self.pause()
            self._tunnel.waits()

    def end(self) -> None:
        """The other side sends no more: say so once all of it is written."""
        self._closing = True
        self.write_held()
        if not self.out and not self.closed:
            self._shut()

    def _shut(self) -> None:
        try:
            said = self.stream.shutdown_write()
        except ConnectionLost as lost:
            self.on_lost(lost)
            return
        if said:
            self.other.finished = True
            self._tunnel.direction_ended()
        else:
            self._watch(self._mask | WRITE)
            self._tunnel.waits()

    def _on_paused_event(self, readiness: int) -> None:
        """A peer on a Unix socket that has closed is known to be gone before what it sent is passed
        on: that isn't cut short, as it isn't on TCP, where nobody tells a full from a half close.
        """
        if self.ended and readiness & HANGUP and not readiness & ERROR:
            self.reactor.remove(self.fd)
            self.gone = self._detached = True
            self._tunnel.direction_ended()
        else:
            super()._on_paused_event(readiness)

    def on_blocked(self) -> None:
        """See `Connection`."""
        self.other.pause()
        self._tunnel.waits()

    def on_drained(self) -> None:
        """See `Connection`."""
        self._tunnel.drained()
        if self._closing:
            self._shut()
        else:
            self.other.resume()

    def on_progress(self) -> None:
        """See `Connection`."""
        self._tunnel.renew()

    def on_lost(self, lost: ConnectionLost) -> None:
        """See `Connection`."""
        self._tunnel.lost(self, lost)

    def on_deadline(self) -> None:
        """See `Connection`; the tunnel keeps one deadline for both ends."""
        self._tunnel.on_deadline()
