"""What every local caller's connection has in common: who calls, which route, and the record of
what is being carried.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from gateway.data_plane.access_log import in_json
from gateway.data_plane.connection import Connection
from gateway.data_plane.stream import Stream, TlsStream

if TYPE_CHECKING:
    from gateway.data_plane.caller import Caller
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.failure import Failure
    from gateway.data_plane.judge import Objection
    from gateway.data_plane.listener import Listener
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.tunnel import Tunnel
    from gateway.data_plane.upstream import UpstreamConnection
    from gateway.data_plane.wire.request import RequestHead
    from gateway.ipc.snapshot import AllowSpec


@dataclass(frozen=True, slots=True)
class Accepted:
    """A connection that a listener took: for an ingress its handshake is done, and `epoch` says by
    which certificate and trust.
    """

    stream: Stream
    fd: int
    caller: Caller
    epoch: Epoch | None = None


class Downstream(Connection):
    """A caller's connection.

    The attributes of what is being carried are overwritten by what comes next: a connection costs
    its objects once, not once a request.

    Attributes:
        caller: who is on the other end.
        route: of the current request; a snapshot may give the listener another one meanwhile.
        epoch: of an ingress: our certificate and the bundle that the caller was checked by.
        ends: the Unix time at which the first of the certificates that it was made with ends.
        dialling: the attempt that this one waits for.
        label: what access-log lines say of the caller: a part of their JSON.
        via: the upstream connection that carries it, or the attempt to make one.
        first: the first of the request's body, for as long as somebody may want to see it.
        reason, detail: why it ended as it did, "" when all went well.
        responded: whether an answer has begun.
        token_refreshed: whether it was sent once more, with other credentials after a 401.
        tunnel: what the connection became, once bytes go both ways as they are.
        accepted_at: monotonic seconds.
    """

    __slots__ = (
        "accepted_at",
        "bytes_down",
        "bytes_up",
        "caller",
        "detail",
        "dialling",
        "ends",
        "epoch",
        "first",
        "first_byte_at",
        "label",
        "listener",
        "plane",
        "reason",
        "replayed",
        "request",
        "request_id",
        "responded",
        "reused",
        "route",
        "started",
        "status",
        "streaming",
        "token_refreshed",
        "tunnel",
        "via",
    )

    request: RequestHead

    def __init__(self, plane: DataPlane, listener: Listener, accepted: Accepted) -> None:
        super().__init__(plane.reactor, accepted.stream, accepted.fd)
        self.plane = plane
        self.listener = listener
        self.caller = accepted.caller
        self.route = listener.route
        self.epoch = epoch = accepted.epoch
        self.ends = min(epoch.credentials.not_after, self.caller.not_after) if epoch else inf
        self.dialling: Dial | None = None
        self.tunnel: Tunnel | None = None
        self.accepted_at = plane.reactor.now
        self.label = _label(self.caller.label())
        if accepted.epoch is not None and isinstance(accepted.stream, TlsStream):
            self.label += b',"tls_group":"%b","generation":%d' % (
                in_json(accepted.stream.connection.get_group_name() or ""),
                accepted.epoch.credentials.generation,
            )
        self.reset_record()

    def let_in_by(self, rule: AllowSpec) -> None:
        """Say in the record which rule of the route the caller fitted."""
        self.label = _label(self.caller.label(rule.token))

    def reset_record(self) -> None:
        """Begin the record of what is carried next."""
        self.request_id = b""
        self.started = 0.0
        self.first_byte_at = 0.0
        self.bytes_up = self.bytes_down = 0
        self.status = 0
        self.reason = self.detail = ""
        self.first = b""
        self.via: UpstreamConnection | Dial | None = None
        self.responded = self.replayed = self.reused = self.streaming = False
        self.token_refreshed = False

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether something is being carried, or waits to be."""

    @property
    def idle_since(self) -> float:
        """Since when nothing is lost by closing it: it waits for (more of) a request. Else inf."""
        return inf

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Bytes of this exchange that wait in our own buffers, on both sides."""

    @abstractmethod
    def connected(self, dial: Dial) -> None:
        """The upstream was reached: what waits may go."""

    @abstractmethod
    def fail(self, failure: Failure) -> None:
        """It can't be carried: tell the caller as well as the protocol allows."""

    @abstractmethod
    def retire(self, *, force: bool) -> None:
        """The worker is draining: end when idle, or now when forced."""

    @abstractmethod
    def expire(self) -> None:
        """A certificate that the connection was made with has ended: so does the connection."""

    def distrust(self, objection: Objection) -> None:
        """The caller of an ingress is not trusted any more: end it now, whatever it carries."""
        if self.tunnel is not None:
            self.tunnel.distrust(objection)
            return
        self.route.note_retired(objection.reason)
        self.cut(objection.reason)

    @abstractmethod
    def cut(self, reason: str) -> None:
        """End it now and without an answer."""

    def end_tunnel(self, reason: str) -> None:
        """The tunnel is over and both its ends are closed; `reason` is "" after a regular end."""
        self.tunnel = None
        self.reason = reason
        self.closed = True
        self.plane.clients.discard(self)
        self.record()

    def record(self) -> None:
        """One access-log line and the numbers of what was carried."""
        self.plane.record(self)
        self.reset_record()

    def _forget(self) -> None:
        super()._forget()
        self.plane.clients.discard(self)


def _label(caller: str) -> bytes:
    return b'"caller":"%b"' % in_json(caller)
