"""Requests that wait for an upstream connection, because their route may open no further one."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.data_plane.failure import Failure

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.ipc.snapshot import LimitsSpec

_RETRY_AFTER_S: Final = 2


class WaitingLine:
    """First come, first served; so many wait and no more, each for so long and no longer."""

    __slots__ = ("_clients",)

    def __init__(self) -> None:
        self._clients: dict[Downstream, None] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, client: Downstream, limits: LimitsSpec, now: float) -> None:
        """Go to the end of the line, which is failure when that is too long already."""
        if len(self._clients) >= limits.max_waiting_requests:
            _fail(client, "too many requests wait for a connection to the upstream")
            return
        client.deadline = now + limits.connect_timeout_s
        self._clients[client] = None

    def next(self, may_go: Callable[[Downstream], bool] | None = None) -> Downstream | None:
        """Whoever has waited longest, of those that `may_go`, and waits no more."""
        for client in self._clients:
            if may_go is None or may_go(client):
                self.leave(client)
                client.deadline = inf
                return client
        return None

    def leave(self, client: Downstream) -> bool:
        """Wait no more; whether it did."""
        waited = client in self._clients
        if waited:
            del self._clients[client]
        return waited

    def waited_too_long(self, client: Downstream) -> None:
        """Its time is over, if it waits here."""
        if self.leave(client):
            _fail(client, "no connection to the upstream became free in time")


def _fail(client: Downstream, why: str) -> None:
    client.fail(Failure("overloaded", why, _RETRY_AFTER_S))
