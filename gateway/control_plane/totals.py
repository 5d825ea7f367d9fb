"""Sums of what the workers report, kept so that a worker's death never makes a total go down."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.ipc.stats import RouteStats, WorkerStats

_COUNTERS = ("reused", "client_aborts", "bytes_up", "bytes_down", "duration_sum_s")
_COUNTS = (
    "requests",
    "failures",
    "handshakes",
    "handshake_failures",
    "late_alerts",
    "retries",
    "unauthorized",
    "retired",
    "ejections",
    "rejected",
    "denied",
    "duration_buckets",
)
_GAUGES = ("active", "streams", "tunnels", "downstream_connections", "idle")
_GAUGES_BY_KEY = ("connections", "ejected")
_LAST_HANDSHAKE = ("tls_version", "tls_group", "tls_cipher", "peer")


class Totals:
    """What dead workers had counted; `merged` adds the living."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteStats] = {}
        self._access_lines_dropped = 0

    def retire(self, stats: WorkerStats) -> None:
        """Keep the counters of a worker that is gone; its gauges are void."""
        self._access_lines_dropped += stats.access_lines_dropped
        for name, route in stats.routes.items():
            _add(self._routes.setdefault(name, RouteStats()), route)

    def merged(self, living: Iterable[WorkerStats]) -> dict[str, RouteStats]:
        """Every route's numbers over all workers, dead and alive."""
        merged: dict[str, RouteStats] = {}
        for name, route in self._routes.items():
            _add(merged.setdefault(name, RouteStats()), route)
        for worker in living:
            for name, route in worker.routes.items():
                total = merged.setdefault(name, RouteStats())
                _add(total, route)
                _add_gauges(total, route)
        return merged

    def access_lines_dropped(self, living: Iterable[WorkerStats]) -> int:
        """Access-log lines that workers could not hand over."""
        return self._access_lines_dropped + sum(item.access_lines_dropped for item in living)


def _add(total: RouteStats, more: RouteStats) -> None:
    for name in _COUNTERS:
        setattr(total, name, getattr(total, name) + getattr(more, name))
    for name in _COUNTS:
        counts = getattr(total, name)
        for key, count in getattr(more, name).items():
            counts[key] = counts.get(key, 0) + count
    if more.tls_version:
        for name in _LAST_HANDSHAKE:
            setattr(total, name, getattr(more, name))
    if more.last_error_at >= total.last_error_at and more.last_error:
        total.last_error, total.last_error_at = more.last_error, more.last_error_at


def _add_gauges(total: RouteStats, more: RouteStats) -> None:
    for name in _GAUGES:
        setattr(total, name, getattr(total, name) + getattr(more, name))
    for name in _GAUGES_BY_KEY:
        counts = getattr(total, name)
        for key, count in getattr(more, name).items():
            counts[key] = counts.get(key, 0) + count
