"""Whether a worker can take one more: connections, descriptors, bytes that wait."""

from __future__ import annotations

import heapq
import sys
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.plane import DataPlane

_MOST_EVICTED: Final = 32
#: After a search that found nobody idle the next one waits, as it looks at every connection.
_SEARCH_EVERY_S: Final = 0.1
#: Callers beyond the limit who may stay for the moment that it takes to read their refusal.
_MOST_REFUSED: Final = 64
_CROWDED: Final = "too many bytes wait for slow readers (max_buffered_bytes)"


class Room:
    """Judges newcomers, and makes room for them where nothing is lost by it.

    Attributes:
        buffered: bytes in our own buffers at the last tick.
    """

    __slots__ = ("_descriptors", "_plane", "_refused", "_searched_at", "buffered")

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._descriptors = _usable_descriptors()
        self._searched_at = -inf
        self._refused: set[Downstream] = set()
        self.buffered = 0

    @property
    def crowded(self) -> str:
        """Why no connection to an upstream may be added, or "": who has one goes on."""
        return _CROWDED if self.buffered >= self._plane.limits.max_buffered_bytes else ""

    def refusal(self, descriptor: int) -> str:
        """Why a fresh connection of a caller can't be kept, or ""."""
        if self._is_full and not self._evict():
            return "the limit on open connections is reached (max_connections)"
        if self._lacks_descriptors(descriptor) and not self._evict():
            return "too few descriptors are left (ulimit -n)"
        return self.crowded

    def may_linger(self, descriptor: int) -> bool:
        """Whether a refused caller can be given time to read why."""
        return len(self._refused) < _MOST_REFUSED and not self._lacks_descriptors(descriptor)

    def linger(self, refused: Downstream) -> None:
        """It takes no room from others while it reads its refusal."""
        self._refused.add(refused)

    def _lacks_descriptors(self, descriptor: int) -> bool:
        """Whether some caller could not be given an upstream any more. The system gives the lowest
        free number: so many are in use.
        """
        plane = self._plane
        upstreams = sum(len(route.pool.connections) for route in plane.routes.values())
        without = max(0, len(plane.clients) - upstreams)
        return descriptor + without >= self._descriptors

    @property
    def _is_full(self) -> bool:
        plane = self._plane
        self._refused = {client for client in self._refused if not client.closed}
        count = len(plane.clients) - len(self._refused) + len(plane.arrivals)
        return count >= plane.limits.max_connections

    def _evict(self) -> bool:
        """Close some of the connections that have waited longest for a request, or for the rest
        of its head; whether there were any. More than one, so that a crowd doesn't cost a search
        for each of its callers.
        """
        now = self._plane.reactor.now
        if now - self._searched_at < _SEARCH_EVERY_S:
            return False
        idle = [client for client in self._plane.clients if client.idle_since < inf]
        if not idle:
            self._searched_at = now
            return False
        most = max(1, min(_MOST_EVICTED, len(idle) // 8))
        for client in heapq.nsmallest(most, idle, key=attrgetter("idle_since")):
            client.route.note_rejected("evicted")
            client.close()
        return True


def _usable_descriptors() -> int:
    """How many connections may use: a few are kept for sockets that the supervisor sends."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft - min(128, soft // 8)
