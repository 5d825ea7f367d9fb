"""Exchanges that an upstream refused with 401 although the route attached its own credentials.

RFC 9110 section 15.5.2: the request has not been applied for want of valid credentials, and may be
repeated with others, whatever its method. Once: a second 401 goes to the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.data_plane.route_numbers import count_in
from gateway.data_plane.token_refusals import TokenRefusals
from gateway.ipc import events

if TYPE_CHECKING:
    from gateway.data_plane.client import ClientConnection
    from gateway.data_plane.route import Route
    from gateway.data_plane.upstream import UpstreamConnection
    from gateway.data_plane.wire.response import ResponseHead


class RefusedExchanges:
    """Those of one route: each waits with its answer unread on its connection, until the supervisor
    has tried to get other credentials. Then it is repeated if there are some, or answered.
    """

    __slots__ = ("_parked", "_refusals", "_route")

    def __init__(self, route: Route) -> None:
        self._route = route
        self._refusals = TokenRefusals()
        self._parked: dict[UpstreamConnection, ResponseHead] = {}

    def take(
        self, client: ClientConnection, connection: UpstreamConnection, response: ResponseHead
    ) -> None:
        """Repeat the exchange, let it wait, or pass the 401 on."""
        route = self._route
        now = route.plane.reactor.now
        serves = route.epoch is not None and not route.spec.unavailable
        are_of_now = not self._has_others(connection)
        if serves and are_of_now and not client.token_refreshed and self._refusals.refused(now):
            route.plane.tell(events.UNAUTHORIZED, route=route.name)
        until = self._refusals.waits_until(now)
        if client.token_refreshed:
            self._pass_on(connection, response, "again")
        elif not connection.may_be_repeated:
            self._pass_on(connection, response, "not_held")
        elif serves and not are_of_now:
            self._repeat(connection, response)
        elif serves and until:
            self._parked[connection] = response
            connection.park(until)
        else:
            self._pass_on(connection, response, "unchanged")

    def answered(self) -> None:
        """The supervisor has tried; what it got came before, in a snapshot."""
        self._refusals.answered()
        self.changed()
        self.let_go("unchanged")

    def changed(self) -> None:
        """There is a snapshot: what waits for what it brought needn't wait longer."""
        route = self._route
        if route.epoch is None or route.spec.unavailable:
            self.let_go("unchanged")
            return
        for connection in [item for item in self._parked if self._has_others(item)]:
            response = self._parked.pop(connection)
            if connection.is_parked:
                self._repeat(connection, response)

    def let_go(self, outcome: str) -> None:
        """Nothing waits any more: each gets its 401."""
        while self._parked:
            connection, response = self._parked.popitem()
            if connection.is_parked:
                self._pass_on(connection, response, outcome)

    def overdue(self, connection: UpstreamConnection) -> None:
        """It has waited for long enough."""
        response = self._parked.pop(connection, None)
        if response is not None:
            self._pass_on(connection, response, "too_late")

    def _has_others(self, connection: UpstreamConnection) -> bool:
        """Whether the route attaches other credentials by now than those that were refused."""
        rules = self._route.rules
        return rules.refreshable and rules.attached != connection.rules.attached

    def _pass_on(
        self, connection: UpstreamConnection, response: ResponseHead, outcome: str
    ) -> None:
        count_in(self._route.stats.unauthorized, outcome)
        connection.unpark(response)

    def _repeat(self, connection: UpstreamConnection, response: ResponseHead) -> None:
        route = self._route
        count_in(route.stats.unauthorized, "repeated")
        count_in(route.stats.retries, "unauthorized")
        client = connection.drop_answer(response)
        if client is not None:
            client.token_refreshed = True
            client.await_upstream()
            route.dispatch(client)
