"""The downstream side in HTTP: one agent's connection, one request after the other."""

from __future__ import annotations

import time
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.downstream import Accepted, Downstream
from gateway.data_plane.failure import Failure, problem_response, status_of
from gateway.data_plane.headers import UPGRADES
from gateway.data_plane.mcp_peek import PEEKED_BYTES
from gateway.data_plane.reactor import ERROR, HANGUP, PEER_CLOSED, READ, WRITE
from gateway.data_plane.stream import ConnectionLost
from gateway.data_plane.upstream import UpstreamConnection
from gateway.data_plane.wire.date import date_line
from gateway.data_plane.wire.request import UNREADABLE, check_beginning, parse_request_head
from gateway.data_plane.wire.violation import ProtocolViolation

if TYPE_CHECKING:
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.listener import Listener
    from gateway.data_plane.plane import DataPlane
    from gateway.data_plane.tunnel import Tunnel

_CLOSE: Final = b"Connection: close\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
_LINGER_S: Final = 2.0
_LONG_BODY: Final = 32_768
# Of violations that aren't answered 400.
_REASONS: Final = {
    403: "refused_method",
    414: "target_too_long",
    417: "bad_expectation",
    431: "head_too_large",
    501: "unknown_encoding",
    505: "unknown_version",
}


class ClientState(IntEnum):
    """Where a client connection stands."""

    HEAD = 0  # waiting for a request, or in the middle of its head
    WAITING = 1  # head read; the upstream connection is being made
    EXCHANGE = 2  # request sent or being sent, response awaited or being relayed
    LINGERING = 3  # answered and shut; reading on so that the answer isn't lost to a reset
    FLUSHING = 4  # answered; closing once the last bytes are taken


class ClientConnection(Downstream):
    """Reads requests strictly, hands each to its route, and relays what comes back.

    Attributes:
        resendable: whether nothing went up but the head and what came of the body with it.
    """

    __slots__ = (
        "_buffer",
        "_parsing",
        "_rules",
        "resendable",
        "state",
        "upstream",
    )

    def __init__(self, plane: DataPlane, listener: Listener, accepted: Accepted) -> None:
        super().__init__(plane, listener, accepted)
        # A caller that goes away is noticed even while its bytes aren't read.
        self._reading_mask = self._mask = READ | PEER_CLOSED
        self._paused_mask = PEER_CLOSED
        self.state = ClientState.HEAD
        self.upstream: UpstreamConnection | None = None
        self._buffer = b""
        self._parsing = False
        self._rules = self.route.rules
        self.resendable = False
        self.deadline = plane.reactor.now + plane.limits.head_timeout_s
        plane.reactor.add(self.fd, self._mask, self.on_event)

    @property
    def busy(self) -> bool:
        """See `Downstream`."""
        waits_or_goes = self.state in (ClientState.WAITING, ClientState.EXCHANGE)
        return waits_or_goes or self.tunnel is not None

    @property
    def idle_since(self) -> float:
        """See `Downstream`."""
        if self.state != ClientState.HEAD or self.out or self.held:
            return inf
        # Of a kept connection only the deadline tells when it was left alone.
        kept_since = self.deadline - self.plane.limits.idle_timeout_s
        return self.started or max(self.accepted_at, kept_since)

    @property
    def buffered(self) -> int:
        """See `Downstream`."""
        if self.tunnel is not None:
            return self.tunnel.buffered
        own = len(self.out) + len(self._buffer)
        return own + self.upstream.buffered if self.upstream is not None else own

    # -- reading ---------------------------------------------------------------------------------

    def on_readable(self) -> None:
        """See `Connection`."""
        data = self.stream.read()
        if data is None:
            return
        state = self.state
        if not data:
            self._on_end()
        elif state == ClientState.HEAD:
            if self.out:
                self._keep_for_later(data)
                return
            self._buffer = self._buffer + data if self._buffer else data
            self._next_requests()
        elif state >= ClientState.LINGERING:
            pass  # dropped: the answer is given
        elif self.request.body.done:
            self._keep_for_later(data)
        else:
            self._request_body(data)

    def _keep_for_later(self, data: bytes) -> None:
        """Pipelined bytes: served when this response is finished and taken, bounded until then."""
        self._buffer += data
        if len(self._buffer) > self.plane.limits.max_head_bytes:
            self.pause()

    def resume(self) -> None:
        """See `Connection`; with enough pipelined bytes in hand, nothing is read."""
        if self._paused and len(self._buffer) <= self.plane.limits.max_head_bytes:
            super().resume()

    def _next_requests(self) -> None:
        """Serve what is buffered. A loop, not recursion: answers made here finish at once."""
        if self._parsing:
            return
        self._parsing = True
        while self.state == ClientState.HEAD and self._buffer and not self.out and not self.closed:
            if not self._take_head():
                break
        self._parsing = False

    def _take_head(self) -> bool:
        """Parse one head if it is complete; whether to look for another."""
        buffer = self._buffer
        if not self.started:
            self.started = self.reactor.now
            self.deadline = self.started + self.plane.limits.head_timeout_s
        # RFC 9112 section 2.2: one empty line is no request. It goes with the head behind it, so
        # that a second one is refused however the bytes come.
        begin = 2 if buffer.startswith(b"\r\n") else 0
        end = buffer.find(b"\r\n\r\n", begin) + 4
        if end < 4 or end > self.plane.limits.max_head_bytes:
            return self._unfinished_head(buffer, end)
        self._buffer = buffer[end:]
        try:
            route = self.route = self.listener.route
            rules = self._rules = route.rules
            self.request = parse_request_head(buffer[begin:end], rules.lines)
            self._begin()
        except ProtocolViolation as violation:
            self._refuse(violation)
        return True

    def _unfinished_head(self, buffer: bytes, end: int) -> bool:
        limit = self.plane.limits.max_head_bytes
        if end > 3 or len(buffer) > limit:
            self._refuse(_too_large(buffer[:limit]))
            return False
        try:
            check_beginning(buffer)
        except ProtocolViolation as violation:
            self._refuse(violation)
        return False

    def turn_away(self, failure: Failure) -> None:
        """Answer whatever it is going to ask, and let it go."""
        self.started = self.reactor.now
        self.request = UNREADABLE
        self.fail(failure)

    def _refuse(self, violation: ProtocolViolation) -> None:
        self.request = UNREADABLE
        self.route.note_rejected(violation.reason)
        self.fail(Failure(_REASONS.get(violation.status, "bad_request"), violation.detail))

    # -- a request's way -------------------------------------------------------------------------

    def _begin(self) -> None:
        request = self.request
        self.deadline = inf
        self.request_id = self.plane.next_request_id()
        if request.upgrade not in UPGRADES or not request.body.done:
            request.upgrade = b""
        refusal = self.listener.refusal(self)
        if refusal is not None:
            self.route.note_rejected(refusal.reason)
            self.fail(refusal)
            return
        if request.goes_no_further:
            self._answer_as_last()
            return
        if request.well_known:
            self._rules.edits.prepare(request)
        body = request.body
        if self._buffer and not body.done:
            first = self.first = body.feed(self._buffer)
            self._buffer = body.leftover
            self.bytes_up = len(first)
        self.resendable = True
        self.await_upstream()
        self.route.dispatch(self)

    def await_upstream(self) -> None:
        """No connection carries the request (yet, or any more); its body waits unread."""
        self.upstream = None
        self.state = ClientState.WAITING
        if not self.request.body.done:
            self.pause()

    def connected(self, dial: Dial) -> None:
        """See `Downstream`."""
        UpstreamConnection(self.route, dial).begin(self)

    def attach(self, upstream: UpstreamConnection, *, reused: bool) -> None:
        """The upstream connection is ready: send the head with the first of the body."""
        self.upstream = upstream
        self.reused = reused
        self.via = upstream
        self.state = ClientState.EXCHANGE
        rules = upstream.rules
        if rules is not self._rules:
            self._rules = rules
            self.request.forwarded = rules.screened(self.request.forwarded)
        head = rules.request_head(self.request, self.caller.evidence)
        upstream.send(head + self.first if self.first else head)
        if not self.closed and self.upstream is upstream and not upstream.out:
            self.resume()

    def _request_body(self, data: bytes) -> None:
        upstream = self.upstream
        if upstream is not None and self.bytes_up + len(data) > _LONG_BODY:
            # Before the piece is counted: an answer that ends the exchange now must find that the
            # request isn't complete, because what the server gets next would be taken for it.
            upstream.heed()
            if self.upstream is not upstream:
                return
        try:
            piece = self.request.body.feed(data)
        except ProtocolViolation as violation:
            self.route.note_rejected(violation.reason)
            self._drop_upstream("client_violation")
            self.fail(Failure("bad_request", violation.detail))
            return
        if self.request.body.done:
            self._buffer = self.request.body.leftover
        if piece:
            self._relay_up(piece)

    @property
    def is_held(self) -> bool:
        """Whether the whole request was sent, and is at hand to be sent once more."""
        return self.request.body.done and len(self.first) == self.bytes_up

    def _relay_up(self, piece: bytes) -> None:
        limit = self._rules.held_bytes
        if self.bytes_up < limit:
            self.first = (self.first + piece)[:limit]
        self.bytes_up += len(piece)
        self.resendable = False
        upstream = self.upstream
        if upstream is not None:
            upstream.renew_deadline()
            upstream.send(piece)
            if upstream.out:
                self.pause()

    # -- the response, called by the upstream connection ------------------------------------------

    def connection_header(self, *, response_reusable: bool) -> bytes:
        """The Connection line of the response's head; settles whether this connection is kept."""
        request = self.request
        if not response_reusable or not request.body.done or self._leaving:
            request.keep_alive = False
        return self._connection_line()

    @property
    def _leaving(self) -> bool:
        """Whether the next response is the last one."""
        if self._ending:
            return True
        return self.epoch is not None and self.epoch is not self.listener.route.door

    @property
    def _ending(self) -> bool:
        return self.plane.draining or self.listener.closed

    def _connection_line(self) -> bytes:
        if not self.request.keep_alive:
            return _CLOSE
        return b"" if self.request.minor else _KEEP_ALIVE

    def respond(self, data: bytes, status: int, *, streaming: bool) -> None:
        """Pass on the final response's head with the first of its body."""
        self.responded = True
        self.status = status
        self.first_byte_at = self.reactor.now
        if streaming:
            self.streaming = True
            self.first = self.first[:PEEKED_BYTES]
            if self.upstream is not None:
                self.upstream.watch_silence(self)
        self.relay(data)

    def relay(self, data: bytes) -> None:
        """Pass on more of the body (or of an interim response). A client that takes nothing for as
        long as an idle connection is kept is given up.
        """
        self.send(data)
        if self.out and self.deadline == inf:
            self.on_progress()

    def on_progress(self) -> None:
        """See `Connection`."""
        self.deadline = self.reactor.now + self.plane.limits.idle_timeout_s

    def finish(self) -> None:
        """The response is complete."""
        self.upstream = None
        self.record()
        # A renewal in the middle of a response is no reason to close: its head said that another
        # request may follow, which may be on its way already.
        if not self.request.keep_alive or self._ending:
            self._close_after_flush()
            return
        self.state = ClientState.HEAD
        self.deadline = self.reactor.now + self.plane.limits.idle_timeout_s
        self.started = 0.0
        if not self.out:
            self._go_on()

    def _go_on(self) -> None:
        """Everything asked so far is answered: read on, and serve what waits."""
        self.resume()
        if self._buffer:
            self._next_requests()

    def start_tunnel(self, tunnel: Tunnel) -> None:
        """A 101 was passed on: from now on bytes go both ways as they are."""
        self.upstream = None
        early, self._buffer = self._buffer, b""
        tunnel.start(early)

    def fail(self, failure: Failure) -> None:
        """See `Downstream`: an answer of our own, or a cut when the response has begun."""
        self.upstream = None
        self.reason, self.detail = failure.reason, failure.detail
        self.route.note_failure(failure)
        if self.responded:
            self._cut()
            return
        request = self.request
        refused = failure.reason in ("caller_denied", "peer_denied")
        if request is UNREADABLE or not request.body.done or self._leaving or refused:
            request.keep_alive = False
        self.request_id = self.request_id or self.plane.next_request_id()
        self.status = status_of(failure)
        self.responded = True
        self.first_byte_at = self.reactor.now
        self.send(
            problem_response(
                failure,
                now=time.time(),
                request_id=self.request_id,
                route=self.route.name,
                with_body=request.method != b"HEAD",
                connection=self._connection_line(),
            )
        )
        if not self.closed:
            self.finish()

    def _answer_as_last(self) -> None:
        """OPTIONS that isn't to be forwarded: there is nothing to say but that it came here."""
        request = self.request
        if not request.body.done or self._leaving:
            request.keep_alive = False
        self.status = 204
        self.responded = True
        self.first_byte_at = self.reactor.now
        dated = date_line(time.time())
        self.send(b"HTTP/1.1 204 No Content\r\n%b%b\r\n" % (dated, self._connection_line()))
        if not self.closed:
            self.finish()

    def _cut(self) -> None:
        """End a response that can't be completed so that nobody takes it for complete."""
        self.record()
        if self.request.minor == 0:
            self.abort()  # the end of the connection would be the end of the body
        else:
            self.close()

    # -- ending ----------------------------------------------------------------------------------

    def on_blocked(self) -> None:
        """See `Connection`. What waits may be of the answer before: then nothing feeds it."""
        if self.responded and self.upstream is not None:
            self.upstream.pause()
            if self.deadline == inf:
                self.on_progress()

    def on_drained(self) -> None:
        """See `Connection`."""
        if self.state == ClientState.FLUSHING:
            self._linger_or_close()
        elif self.upstream is not None:
            self.deadline = inf
            self.upstream.resume()
        elif self.state == ClientState.HEAD:
            self._go_on()

    def _close_after_flush(self) -> None:
        self.state = ClientState.FLUSHING
        self.deadline = self.reactor.now + self.plane.limits.idle_timeout_s
        self.write_held()
        if not self.out and not self.closed:
            self._linger_or_close()

    def _linger_or_close(self) -> None:
        """Closing with unread bytes makes the kernel reset the connection, and the client could
        lose the answer: shut our side and read on for a moment (RFC 9112 section 9.6).
        """
        whole = self.request.body.done and not self._buffer and self.request is not UNREADABLE
        if whole and self.epoch is None:
            self.close()
            return
        try:
            said = self.stream.shutdown_write()
        except ConnectionLost as lost:
            self.on_lost(lost)
            return
        if not said:  # without its farewell a TLS answer would look cut
            self._watch(self._mask | WRITE)
        elif whole:
            self.close()
        else:
            self.state = ClientState.LINGERING
            self.deadline = self.reactor.now + _LINGER_S
            self._buffer = b""
            self.resume()

    def _on_end(self) -> None:
        """The client said that it sends no more. Outside a tunnel nobody half-closes a request:
        the client is gone, and a remote agent's work for it must stop now.
        """
        self._gone()

    def on_lost(self, lost: ConnectionLost) -> None:  # noqa: ARG002 - a caller's reasons are its own
        """See `Connection`."""
        self._gone()

    def _on_paused_event(self, readiness: int) -> None:
        if readiness & (PEER_CLOSED | HANGUP | ERROR):  # not bytes that came before the pause
            self._gone()

    def _gone(self) -> None:
        busy = self.busy
        self.close()
        self._drop_upstream("client_closed")
        self.route.abandon(self)
        if busy:
            self.reason = self.reason or "client_closed"
            self.record()
        self.state = ClientState.FLUSHING

    def _drop_upstream(self, reason: str) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.cancel(reason)

    def on_deadline(self) -> None:
        """See `Connection`: an idle connection, a head that doesn't come, a linger's end."""
        self.deadline = inf
        if self.state == ClientState.WAITING:
            self.route.waited_too_long(self)
        elif self.state == ClientState.EXCHANGE:
            self.cut("client_stalled")
        else:
            self.close()

    def retire(self, *, force: bool) -> None:
        """See `Downstream`."""
        if self.tunnel is not None:
            if force:
                self.tunnel.retire("draining")
        elif self.state == ClientState.HEAD and not self._buffer.strip() and not force:
            if self.out or self.held:
                self._close_after_flush()
            else:
                self.close()
        elif force:
            self._force()

    def expire(self) -> None:
        """See `Downstream`."""
        if self.tunnel is not None:
            self.tunnel.retire("certificate_expired")
        elif self.busy:
            self._drop_upstream("certificate_expired")
            self.route.abandon(self)
            self.request.keep_alive = False  # else what was sent behind it would still be served
            self.fail(Failure("certificate_ended", "the certificate of this connection has ended"))
        else:
            self.close()

    def _force(self) -> None:
        """The time to finish is over."""
        if self.busy and not self.responded:
            self._drop_upstream("draining")
            self.route.abandon(self)
            self.fail(Failure("draining", "the time for requests in flight is over", 1))
        else:
            self.cut("draining")

    def cut(self, reason: str) -> None:
        """See `Downstream`."""
        self.reason = reason
        self.abort()
        self._gone()


def _too_large(beginning: bytes) -> ProtocolViolation:
    """What is wrong with a head that is longer than its beginning (RFC 9112 section 3)."""
    if beginning.find(b"\r\n", 2) < 0:
        return ProtocolViolation("target_too_long", "the target is too long", status=414)
    return ProtocolViolation("head_too_large", "the head is too large", status=431)
