"""Prometheus text exposition, version 0.0.4, as pure functions of the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gateway.ipc.stats import RouteStats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "devwiz_gw_"

#: Upper bounds that are always shown: a bucket that comes and goes spoils rates over it.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: the metric's name plus `suffix`, labels and a value."""

    value: float
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples; `name` is without the prefix."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is measured of a running gateway. `cert_not_after` is a Unix time, 0 without one."""

    version: str
    routes: Mapping[str, RouteStats]
    cert_not_after: float
    cert_generation: int
    cert_renewals: Mapping[str, int]
    buffered_bytes: int
    worker_restarts: int
    access_lines_dropped: int


def render(families: Iterable[Family]) -> str:
    """The exposition text; a family without samples is left out."""
    return "".join(_family(family) for family in families if family.samples)


def exposition(numbers: Numbers) -> str:
    """Every metric of the gateway as text."""
    return render([*_route_families(numbers.routes), *_process_families(numbers)])


def _family(family: Family) -> str:
    name = PREFIX + family.name
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    lines = [
        f"{name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}\n"
        for sample in family.samples
    ]
    return f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n" + "".join(lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _route_families(routes: Mapping[str, RouteStats]) -> Iterator[Family]:
    def counts(name: str, text: str, label: str, attribute: str) -> Family:
        samples = [
            Sample(count, (("route", route), (label, key)))
            for route, stats in sorted(routes.items())
            for key, count in sorted(getattr(stats, attribute).items())
        ]
        return Family(name, "counter", text, tuple(samples))

    def gauge(name: str, text: str, attribute: str) -> Family:
        samples = [
            Sample(getattr(stats, attribute), (("route", route),))
            for route, stats in sorted(routes.items())
        ]
        return Family(name, "gauge", text, tuple(samples))

    yield counts("requests_total", "Finished requests by status code.", "code", "requests")
    yield counts(
        "failures_total",
        "Responses made by the gateway and aborted exchanges.",
        "reason",
        "failures",
    )
    yield counts("rejected_total", "Requests refused before a route saw them.", "rule", "rejected")
    yield counts(
        "local_auth_denied_total", "Callers that no rule of the route lets in.", "reason", "denied"
    )
    yield gauge("active_requests", "Exchanges in flight, streams included.", "active")
    yield gauge("streams_active", "Event streams and tunnels open now.", "streams")
    yield gauge(
        "downstream_connections", "Connections of local agents open now.", "downstream_connections"
    )
    yield _durations(routes)
    yield _connections(routes)
    yield _handshakes(routes)
    yield counts("conn_retired_total", "Upstream connections closed.", "reason", "retired")
    yield counts(
        "upstream_ejections_total",
        "Addresses of an upstream left out for a while, by the last failure.",
        "reason",
        "ejections",
    )
    yield _ejected(routes)
    yield _bytes(routes)


def _durations(routes: Mapping[str, RouteStats]) -> Family:
    samples: list[Sample] = []
    for route, stats in sorted(routes.items()):
        label = ("route", route)
        buckets = dict.fromkeys(BOUNDS, 0)
        for bound, count in stats.duration_buckets.items():
            buckets[float(bound)] = buckets.get(float(bound), 0) + count
        total = 0
        for limit, count in sorted(buckets.items()):
            total += count
            samples.append(Sample(total, (label, ("le", _number(limit))), "_bucket"))
        samples.append(Sample(stats.duration_sum_s, (label,), "_sum"))
        samples.append(Sample(total, (label,), "_count"))
    text = "Time from the request's head to the end of its response."
    return Family("request_duration_seconds", "histogram", text, tuple(samples))


def _connections(routes: Mapping[str, RouteStats]) -> Family:
    samples = [
        Sample(count, (("route", route), ("generation", generation)))
        for route, stats in sorted(routes.items())
        for generation, count in sorted(stats.connections.items())
    ]
    text = "Open upstream connections by certificate generation."
    return Family("upstream_connections", "gauge", text, tuple(samples))


def _ejected(routes: Mapping[str, RouteStats]) -> Family:
    samples = [
        Sample(count, (("route", route), ("address", address)))
        for route, stats in sorted(routes.items())
        for address, count in sorted(stats.ejected.items())
    ]
    text = "Workers that leave the address out now; only where an upstream has several."
    return Family("upstream_ejected", "gauge", text, tuple(samples))


def _handshakes(routes: Mapping[str, RouteStats]) -> Family:
    samples: list[Sample] = []
    for route, stats in sorted(routes.items()):
        samples.append(Sample(stats.handshakes, (("route", route), ("result", "ok"))))
        samples += [
            Sample(count, (("route", route), ("result", reason)))
            for reason, count in sorted(stats.handshake_failures.items())
        ]
    text = "TLS handshakes with upstreams by result."
    return Family("upstream_tls_handshakes_total", "counter", text, tuple(samples))


def _bytes(routes: Mapping[str, RouteStats]) -> Family:
    samples = [
        Sample(count, (("route", route), ("direction", direction)))
        for route, stats in sorted(routes.items())
        for direction, count in (("up", stats.bytes_up), ("down", stats.bytes_down))
    ]
    return Family("bytes_total", "counter", "Body bytes relayed.", tuple(samples))


def _process_families(numbers: Numbers) -> Iterator[Family]:
    yield Family(
        "cert_not_after_seconds",
        "gauge",
        "Unix time at which the client certificate expires; 0 without one.",
        (Sample(numbers.cert_not_after),),
    )
    yield Family(
        "cert_generation",
        "gauge",
        "Number of the certificate in use; 0 without one.",
        (Sample(numbers.cert_generation),),
    )
    yield Family(
        "cert_renewals_total",
        "counter",
        "Attempts to obtain a certificate by result.",
        tuple(
            Sample(count, (("result", result),))
            for result, count in sorted(numbers.cert_renewals.items())
        ),
    )
    yield Family(
        "buffered_bytes",
        "gauge",
        "Bytes that workers hold for slow readers.",
        (Sample(numbers.buffered_bytes),),
    )
    yield Family(
        "worker_restarts_total",
        "counter",
        "Workers replaced after they died.",
        (Sample(numbers.worker_restarts),),
    )
    yield Family(
        "access_log_lines_dropped_total",
        "counter",
        "Access-log lines lost because their reader was too slow.",
        (Sample(numbers.access_lines_dropped),),
    )
    yield Family("build_info", "gauge", "Always 1.", (Sample(1, (("version", numbers.version),)),))
