"""The upstream side: one connection to the agent, one exchange after the other."""

from __future__ import annotations

import time
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.agent_card import CardRefused
from gateway.data_plane.connection import Connection
from gateway.data_plane.event_edges import EventEdges
from gateway.data_plane.failure import Failure
from gateway.data_plane.liveness import HEARD_AFTER_S
from gateway.data_plane.reactor import READ
from gateway.data_plane.silence import WatchedStream
from gateway.data_plane.stream import ConnectionLost
from gateway.data_plane.tunnel import Tunnel
from gateway.data_plane.wire.body import NO_BODY, Body
from gateway.data_plane.wire.date import date_line
from gateway.data_plane.wire.edited import EditedBody
from gateway.data_plane.wire.response import ResponseHead, check_beginning, parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation

if TYPE_CHECKING:
    from gateway.data_plane.card_exchange import CardReading
    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.dial import Dial
    from gateway.data_plane.endpoint import Endpoint
    from gateway.data_plane.epoch import Epoch
    from gateway.data_plane.judge import Objection
    from gateway.data_plane.route import Route

_READS_A_TURN: Final = 8
_MOST_INTERIM: Final = 32
# No configuration allows less, and few heads are longer.
_LEAST_LIMIT: Final = 1024
_UNAUTHORIZED: Final = 401


class UpstreamState(IntEnum):
    """Where an upstream connection stands."""

    IDLE = 0  # in the pool
    HEAD = 1  # request handed over; the response's head is awaited
    BODY = 2
    WHOLE = (
        3  # a body that is changed as a whole: nothing of the answer is passed on before its end
    )
    PARKED = 4  # the head of a 401 is here, and nothing of it was passed on


class UpstreamConnection(Connection):
    """Carries exchanges until retired; it was dialled, and its peer verified, before.

    Attributes:
        epoch: the identity and bundle that it was made with.
        endpoint: where it leads.
        made_at, label: see `Dial`.
        client: the exchange's client, None in the pool.
        rules: the header rules of the exchange, kept to its end whatever a snapshot brings.
        released_in: the reactor's turn of the last release; `released_at` its time.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_card",
        "_interim",
        "_response",
        "_state",
        "client",
        "endpoint",
        "epoch",
        "exchanges",
        "label",
        "made_at",
        "released_at",
        "released_in",
        "route",
        "rules",
    )

    def __init__(self, route: Route, dial: Dial) -> None:
        super().__init__(route.plane.reactor, dial.stream, dial.fd)
        self._state = UpstreamState.IDLE
        self._buffer = b""
        self._body: Body = NO_BODY
        self._response: ResponseHead | None = None
        self._card: CardReading | None = None
        self._interim = 0
        self.route = route
        self.epoch: Epoch = dial.epoch
        self.endpoint: Endpoint = dial.endpoint
        self.made_at = dial.made_at
        self.label = dial.label
        self.rules = route.rules
        self.client: ClientConnection | None = None
        self.exchanges = 0
        self.released_in = 0
        self.released_at = 0.0
        self.reactor.add(self.fd, self._mask, self.on_event)
        self.endpoint.connections.add(self)

    @property
    def generation(self) -> int:
        """The generation of the client certificate that was shown."""
        return self.epoch.credentials.generation

    @property
    def idle(self) -> bool:
        """Whether it waits in the pool."""
        return self._state == UpstreamState.IDLE

    @property
    def buffered(self) -> int:
        """Bytes that wait, of both directions."""
        return len(self.out) + len(self._buffer)

    @property
    def exchanges_again(self) -> int:
        """Exchanges carried to their end after the first one."""
        return max(0, self.exchanges - 1)

    # -- an exchange -----------------------------------------------------------------------------

    def usable(self) -> bool:
        """Whether a pooled connection can carry another request: nothing arrived since.

        What came before this turn of the loop was told first, because the descriptor is watched;
        only a connection released in this very turn has to be looked at.
        """
        if self.released_in != self.reactor.turn:
            return True
        if not self.stream.has_news():
            return True
        try:  # bytes, or the end: session tickets are harmless, all else ends the connection
            return self.stream.read() is None
        except ConnectionLost:
            return False

    def heed(self) -> None:
        """Read what the server says already, before more of a long request is written: a server
        that refused it and closed resets the connection then, and its answer would be lost.
        """
        if not self._paused and self.stream.has_news():
            self.on_event(READ)

    def renew_deadline(self) -> None:
        """More of the request is on its way: the wait for the answer begins again."""
        if self._state == UpstreamState.HEAD:
            self.deadline = self.reactor.now + self.route.plane.limits.response_timeout_s

    def give_up_unheard(self) -> None:
        """End an exchange whose request doesn't get to the upstream's machine: nobody answers."""
        sent_at = self.deadline - self.route.plane.limits.response_timeout_s
        is_late = self.reactor.now - sent_at >= HEARD_AFTER_S
        if self._state == UpstreamState.HEAD and is_late and self.stream.is_unheard():
            self._broken("the upstream's machine acknowledges nothing any more")

    def begin(self, client: ClientConnection) -> None:
        """Carry a client's request; `client.attach` writes it."""
        self.client = client
        self.reactor.watched.discard(self.fd)
        self.rules = self.route.rules
        self.deadline = self.reactor.now + self.route.plane.limits.response_timeout_s
        self._state = UpstreamState.HEAD
        self._interim = 0
        client.attach(self, reused=self.exchanges > 0)

    def on_readable(self) -> None:
        """See `Connection`."""
        read = self.stream.read
        for _ in range(_READS_A_TURN):
            data = read()
            if data is None:
                return
            if not data:
                self._on_end()
                return
            self._on_data(data)
            client = self.client
            if client is None or self.closed:
                return
            if client.out:
                self.pause()
                return
            if len(data) < self.stream.read_size or self._paused:
                return

    def _on_data(self, data: bytes) -> None:
        client = self.client
        if client is None:
            self.route.pool.retired(self, "unexpected_data")
            self.close()
        elif self._state == UpstreamState.BODY:
            self._relay_body(client, data)
        elif self._card is not None:
            self._gather(client, self._card, data)
        else:
            self._buffer = self._buffer + data if self._buffer else data
            self._take_heads(client)

    def _take_heads(self, client: ClientConnection) -> None:
        """Parse response heads until the final one; interim ones are passed on as they come."""
        while self._state == UpstreamState.HEAD and self.client is client:
            end = self._buffer.find(b"\r\n\r\n") + 4
            try:
                if (end < 4 or end > _LEAST_LIMIT) and self._is_unfinished(end):
                    return
                head, self._buffer = self._buffer[:end], self._buffer[end:]
                response = parse_response_head(
                    head,
                    method=client.request.method,
                    client_minor=client.request.minor,
                    trailers=self.rules.trailers,
                )
                self._on_head(client, response)
            except ProtocolViolation as violation:
                self._violated(violation)
                return

    def _is_unfinished(self, end: int) -> bool:
        """Whether more of the head has to come. Raises `ProtocolViolation` if it can't help."""
        if (len(self._buffer) if end < 4 else end) > self.route.plane.limits.max_head_bytes:
            raise ProtocolViolation("head_too_large", "the head is too large")
        if end < 4:
            check_beginning(self._buffer)
        return end < 4

    def _on_head(self, client: ClientConnection, response: ResponseHead) -> None:
        if response.status == 101:
            self._switch(client, response)
        elif response.status < 200:
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise ProtocolViolation("interim_flood", "too many interim responses")
            if client.request.minor:
                client.relay(
                    self.rules.response_head(response, local=client.request.host, connection=b"")
                )
        else:
            self._final_head(client, response)

    def _final_head(self, client: ClientConnection, response: ResponseHead) -> None:
        if self.endpoint.rivals:
            self.route.endpoints.answered(self.endpoint, client.request, response)
        if not self.exchanges:
            self.route.refusals.accepted(self.generation)
        if not response.dated:  # RFC 9110 section 6.6.1: whoever passes it on says when it came
            response.forwarded.append(date_line(time.time()))
        if response.status == _UNAUTHORIZED and self.rules.refreshable:
            self.route.refused.take(client, self, response)
        else:
            self._pass_on(client, response)

    def _pass_on(self, client: ClientConnection, response: ResponseHead) -> None:
        self._response = response
        if response.event_stream or client.request.well_known:
            self.rules.edits.apply(response, client.request)
            if self._takes_whole(client, response):
                return
        body = self._body = response.body
        self._state = UpstreamState.BODY
        self.deadline = inf
        data = self.rules.response_head(
            response,
            local=client.request.host,
            connection=client.connection_header(response_reusable=body.done or body.framing != b""),
        )
        rest, self._buffer = self._buffer, b""
        if rest and not body.done:
            piece = body.feed(rest)
            client.bytes_down = len(piece)
            data += piece
            rest = body.leftover
        client.respond(data, response.status, streaming=response.event_stream)
        if body.done:
            self._complete(leftover=rest)

    def _takes_whole(self, client: ClientConnection, response: ResponseHead) -> bool:
        """Begin to read an agent's card that is to be rewritten, if it is one."""
        cards = self.rules.edits.cards
        if cards is None or not cards.is_card(response, client.request, client.first):
            return False
        try:
            reading = cards.begin(response, client.request)
        except CardRefused as refused:
            self._refuse_card(refused)
            return True
        if reading is None:
            return False
        self._card = reading
        self._state = UpstreamState.WHOLE  # its end is due when an answer is
        rest, self._buffer = self._buffer, b""
        self._gather(client, reading, rest)
        return True

    def _gather(self, client: ClientConnection, reading: CardReading, data: bytes) -> None:
        try:
            reading.feed(data)
        except ProtocolViolation as violation:
            self._violated(violation)
        except CardRefused as refused:
            self._refuse_card(refused)
        else:
            if reading.done:
                self._pass_card_on(client, reading)

    def _pass_card_on(self, client: ClientConnection, reading: CardReading) -> None:
        """The card is whole: answer with what becomes of it."""
        try:
            card, text = reading.finish()
        except CardRefused as refused:
            self._refuse_card(refused)
            return
        self.route.note_card(card)
        self._card = None
        self._state = UpstreamState.BODY
        self.deadline = inf
        response = reading.response
        head = self.rules.response_head(
            response,
            local=client.request.host,
            connection=client.connection_header(response_reusable=True),
        )
        client.bytes_down = len(text)
        client.respond(head + text, response.status, streaming=False)
        self._complete(leftover=reading.leftover)

    def _refuse_card(self, refused: CardRefused) -> None:
        self._fail(Failure("bad_agent_card", str(refused)))

    # -- a 401 to the route's own credentials: see `RefusedExchanges` ----------------------------

    @property
    def may_be_repeated(self) -> bool:
        """Whether the exchange can be carried out anew, as if it had not begun: all of the request
        was sent and is still held, and nothing of an answer was passed on.
        """
        client = self.client
        is_sent = not (self.out or self.held)
        return client is not None and client.is_held and is_sent and not self._interim

    @property
    def is_parked(self) -> bool:
        """Whether its answer waits, and its client with it."""
        return self._state == UpstreamState.PARKED and self.client is not None

    def park(self, deadline: float) -> None:
        """Leave the rest of the answer unread, until the deadline at the latest."""
        self._state = UpstreamState.PARKED
        self.deadline = deadline
        self.pause()

    def unpark(self, response: ResponseHead) -> None:
        """Pass the answer on after all."""
        client = self.client
        if client is None:
            return
        self.resume()
        try:
            self._pass_on(client, response)
        except ProtocolViolation as violation:
            self._violated(violation)

    def drop_answer(self, response: ResponseHead) -> ClientConnection | None:
        """Let go of the client, which gets nothing of the answer. The connection is kept if the
        answer is whole, and nothing behind it.
        """
        client, self.client = self.client, None
        self.exchanges += 1
        if client is None:
            return None
        rest, self._buffer = self._buffer, b""
        try:
            leftover = self._behind(response.body, rest)
        except (ProtocolViolation, ConnectionLost):
            leftover = None
        if leftover is None:
            self._end("not_reusable")
        else:
            self._go_back(client, response, leftover)
        return client

    def _behind(self, body: Body, data: bytes) -> bytes | None:
        """What came behind the body; None if its end isn't here. What came meanwhile is read."""
        if body.done:
            return data
        if data and _ends(body, data):
            return body.leftover
        more = self.stream.read()
        return body.leftover if more and _ends(body, more) else None

    # -- the rest of an exchange -----------------------------------------------------------------

    def watch_silence(self, client: ClientConnection) -> None:
        """Have an event stream looked at every second, where the route asks for it."""
        body = self._body
        if isinstance(body, EditedBody) and isinstance(body.editor, EventEdges):
            limit_s = self.rules.edits.keep_alive_s
            stream = WatchedStream(client, self, body.editor, limit_s=limit_s)
            self.route.plane.watched_streams.append(stream)

    def carries(self, edges: EventEdges) -> bool:
        """Whether the response that `edges` follows still goes on."""
        body = self._body
        return isinstance(body, EditedBody) and body.editor is edges and not body.done

    def _relay_body(self, client: ClientConnection, data: bytes) -> None:
        body = self._body
        try:
            piece = body.feed(data)
        except ProtocolViolation as violation:
            self._violated(violation)
            return
        client.bytes_down += len(piece)
        if piece:
            client.relay(piece)
        if body.done:
            self._complete(leftover=body.leftover)

    def _complete(self, *, leftover: bytes) -> None:
        """The response is whole: back to the pool if both sides of the exchange are clean."""
        client, self.client = self.client, None
        response, self._response = self._response, None
        self.exchanges += 1
        if client is None:
            return  # the client went away while its last bytes were written
        self._go_back(client, response, leftover)
        client.finish()

    def _go_back(
        self, client: ClientConnection, response: ResponseHead | None, leftover: bytes
    ) -> None:
        """Into the pool, or close."""
        if self.endpoint.rivals and response is not None:
            self.route.endpoints.completed(self.endpoint, response)
        if leftover:
            self._end("excess_data")
        elif (
            response is None
            or not response.keep_alive
            or not client.request.body.done
            or client.request.ends_connection
            or self.out
            or self.held
        ):
            self._end("not_reusable")
        else:
            self._state = UpstreamState.IDLE
            self.resume()
            self.route.pool.released(self)

    def _switch(self, client: ClientConnection, response: ResponseHead) -> None:
        if not response.upgrade or response.upgrade != client.request.upgrade:
            raise ProtocolViolation("bad_upgrade", "a 101 that nobody asked for")
        if self.endpoint.rivals:
            self.route.endpoints.answered(self.endpoint, client.request, response)
        head = self.rules.response_head(response, local=client.request.host, connection=b"")
        client.bytes_down = len(self._buffer)
        client.respond(head + self._buffer, 101, streaming=True)
        if self.client is client:
            self.client = None
            self.route.pool.let_go(self)
            waiting = self.hand_over()
            self.closed = True
            client.start_tunnel(Tunnel(client, self.route, self, waiting=waiting))

    # -- the other side ---------------------------------------------------------------------------

    def on_blocked(self) -> None:
        """See `Connection`."""
        if self.client is not None:
            self.client.pause()

    def on_drained(self) -> None:
        """See `Connection`."""
        client = self.client
        if client is None:
            return
        if self._state != UpstreamState.IDLE:
            client.resume()

    def on_progress(self) -> None:
        """See `Connection`."""
        self.renew_deadline()

    def cancel(self, reason: str) -> None:
        """The client is gone: close at once, so that the remote agent stops working for it."""
        self.client = None
        self._end(reason)

    # -- ending ----------------------------------------------------------------------------------

    def _on_end(self) -> None:
        """A clean end of the stream."""
        client = self.client
        if client is None:
            self._end("upstream_closed")
        elif self._state == UpstreamState.BODY:
            last = self._body.end()
            if last is None:
                self._broken("the upstream closed in the middle of its response")
                return
            if last:
                client.relay(last)
            self._complete(leftover=b"")
        elif self._card is not None:
            if self._card.is_complete_at_end():
                self._pass_card_on(client, self._card)
            else:
                self._broken("the upstream closed in the middle of its response")
        else:
            self._broken("the upstream closed the connection without an answer")

    def on_lost(self, lost: ConnectionLost) -> None:
        """See `Connection`."""
        if lost.alert is not None and lost.alert.refuses_certificate and not self.exchanges:
            self._fail(self.route.certificate_refused(lost.alert, self.generation))
        else:
            self._broken(str(lost))

    @property
    def unanswered(self) -> bool:
        """Whether nothing came back yet for the request."""
        return self._state == UpstreamState.HEAD and not self._buffer and not self._interim

    def _broken(self, detail: str) -> None:
        self._fail(Failure("upstream_closed", detail))

    def _violated(self, violation: ProtocolViolation) -> None:
        self._fail(Failure("bad_response", violation.detail))

    def _fail(self, failure: Failure) -> None:
        self._cut(failure.reason if self.client is not None else "upstream_closed", failure)

    def _end(self, reason: str) -> None:
        if not self.closed:
            self.held = b""  # nobody wants the answer, or this one must not get the request
            self.route.pool.retired(self, reason)
            self.close()

    def on_deadline(self) -> None:
        """See `Connection`: an answer took too long, or the pool kept it long enough."""
        self.deadline = inf
        if self._state == UpstreamState.IDLE:
            self._end("idle")
        elif self._state == UpstreamState.PARKED:
            self.route.refused.overdue(self)
        else:
            self._fail(Failure("response_timeout", "no response head came in time"))

    def retire(self, reason: str) -> None:
        """Its time is over: an exchange that it still carries is cut."""
        detail = f"the connection was retired: {reason}"
        self._cut(reason, Failure("certificate_ended", detail))

    def distrust(self, objection: Objection) -> None:
        """The far side is not trusted any more: an exchange with it is cut."""
        self._cut(objection.reason, Failure("trust_withdrawn", objection.why))

    def _cut(self, reason: str, failure: Failure) -> None:
        client, self.client = self.client, None
        self._end(reason)
        if client is not None:
            self.route.exchange_failed(client, failure, self)


def _ends(body: Body, data: bytes) -> bool:
    """Whether the body's end is in the data."""
    body.feed(data)
    return body.done
