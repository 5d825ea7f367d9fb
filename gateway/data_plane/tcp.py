"""The downstream side of a route that carries bytes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.data_plane.downstream import Accepted, Downstream
from gateway.data_plane.failure import Failure, status_of
from gateway.data_plane.reactor import ERROR, HANGUP
from gateway.data_plane.stream import ConnectionLost
from gateway.data_plane.tunnel import Tunnel
from gateway.data_plane.wire.request import RAW

if TYPE_CHECKING:
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.listener import Listener
    from gateway.data_plane.plane import DataPlane

#: What a tunnel that was opened is recorded as, like the answer to a CONNECT.
_OPENED: Final = 200
_ONLY_HTTP_2: Final = ("h2",)
#: What a client of HTTP/2 begins with (RFC 9113 section 3.4). A browser that a web page makes send
#: something to a port of this machine begins otherwise.
HTTP_2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class TcpClient(Downstream):
    """Reads nothing until the upstream was reached, then becomes one end of a tunnel. What can't
    be carried ends with a reset, because nothing can be said.
    """

    __slots__ = ()

    request = RAW

    def __init__(self, plane: DataPlane, listener: Listener, accepted: Accepted) -> None:
        super().__init__(plane, listener, accepted)
        self._paused = True
        self._mask = 0
        plane.reactor.add(self.fd, 0, self.on_event)

    def begin(self) -> None:
        """Let the caller in if it may, and ask for a connection."""
        self.started = self.accepted_at
        self.request_id = self.plane.next_request_id()
        refusal = self.listener.caller_refusal(self)
        if refusal is None:
            self.route.dispatch(self)
        else:
            self.route.note_rejected(refusal.reason)
            self.fail(refusal)

    @property
    def busy(self) -> bool:
        """See `Downstream`."""
        return not self.closed

    @property
    def buffered(self) -> int:
        """See `Downstream`."""
        return self.tunnel.buffered if self.tunnel is not None else 0

    def connected(self, dial: Dial) -> None:
        """See `Downstream`."""
        self.via = dial
        self.status = _OPENED
        self.streaming = self.responded = True
        opening = HTTP_2_PREFACE if self.route.spec.tls.alpn == _ONLY_HTTP_2 else b""
        Tunnel(self, self.route, dial, opening=opening).start(b"")

    def fail(self, failure: Failure) -> None:
        """See `Downstream`."""
        self.reason, self.detail = failure.reason, failure.detail
        self.status = status_of(failure)
        self.route.note_failure(failure)
        self.abort()
        self.record()

    def retire(self, *, force: bool) -> None:
        """See `Downstream`."""
        if not force:
            return
        if self.tunnel is not None:
            self.tunnel.retire("draining")
        else:
            self.route.abandon(self)
            self.fail(Failure("draining", "the time to finish is over"))

    def expire(self) -> None:
        """See `Downstream`."""
        if self.tunnel is not None:
            self.tunnel.retire("certificate_expired")

    def _on_paused_event(self, readiness: int) -> None:
        """A caller may have said all of it, and even closed: that is still to be carried. One that
        broke is gone.
        """
        if readiness & ERROR:
            raise ConnectionLost("the caller is gone")
        if readiness & HANGUP:
            self.reactor.remove(self.fd)

    def on_lost(self, lost: ConnectionLost) -> None:  # noqa: ARG002 - a caller's reasons are its own
        """See `Connection`."""
        self.cut("client_closed")

    def cut(self, reason: str) -> None:
        """See `Downstream`."""
        self.abort()
        self.route.abandon(self)
        self.reason = reason
        self.record()

    def on_deadline(self) -> None:
        """See `Connection`: the renewal that it waits for doesn't come."""
        self.route.waited_too_long(self)

    def on_readable(self) -> None:
        """See `Connection`; not called, because reading is paused until the tunnel takes over."""

    def on_blocked(self) -> None:
        """See `Connection`; nothing is written before the tunnel."""

    def on_drained(self) -> None:
        """See `Connection`; nothing is written before the tunnel."""

    def on_progress(self) -> None:
        """See `Connection`; nothing is written before the tunnel."""
