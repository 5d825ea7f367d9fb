"""The numbers of a worker's routes: some count as things happen, others when they are asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.data_plane.downstream import Downstream
    from gateway.data_plane.route import Route

#: Upper bounds of the classes that durations are counted in, in seconds.
BUCKETS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BUCKET_NAMES: Final = (*map(str, BUCKETS), "+Inf")


def count_in(counts: dict[str, int], key: str) -> None:
    """One more of `key`."""
    counts[key] = counts.get(key, 0) + 1


def gather(routes: Collection[Route], callers: Collection[Downstream]) -> None:
    """Bring each route's numbers up to date: gauges are counted afresh."""
    for route in routes:
        _gather_route(route)
    for caller in callers:
        _add_caller(caller)


def _gather_route(route: Route) -> None:
    stats = route.stats
    stats.active = stats.streams = stats.tunnels = stats.downstream_connections = 0
    stats.requests = {str(status): number for status, number in route.statuses.items()}
    stats.duration_buckets = {
        name: number for name, number in zip(_BUCKET_NAMES, route.durations, strict=True) if number
    }
    stats.idle = route.pool.idle
    stats.reused = route.pool.reused
    stats.ejected = route.endpoints.ejected
    stats.connections = {}
    for connection in route.pool.connections:
        if connection.generation:  # 0: the plaintext of an ingress
            count_in(stats.connections, str(connection.generation))


def _add_caller(caller: Downstream) -> None:
    stats = caller.route.stats
    stats.downstream_connections += 1
    if caller.epoch is not None:
        count_in(stats.connections, str(caller.epoch.credentials.generation))
    if caller.busy:
        stats.active += 1
        stats.streams += caller.streaming
        stats.tunnels += caller.tunnel is not None
