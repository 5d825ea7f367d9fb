"""Every metric of the gateway; docs/operations/metrics.md describes them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.ipc.stats import RouteStats
from gateway.telemetry.exposition import Family, Labels, Sample, number, render

#: Upper bounds that are always shown: a bucket that comes and goes spoils rates over it.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is measured of one identity.

    Attributes:
        not_after, next_renewal: Unix times, 0 for none.
        renewals: attempts by outcome, "ok" or why not; `renewal_s` all their time.
        clock_skew_s: by how much this machine's clock is ahead of the issuer's; None if unknown.
    """

    not_after: float
    next_renewal: float
    generation: int
    renewals: Mapping[str, int]
    renewal_s: float
    clock_skew_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """What is measured of a forwarder of the audit journal: lines that wait and since how many
    seconds, lines that were sent, and those that lie aside.
    """

    lag: int
    lag_s: float
    sent: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is measured of a running gateway.

    Attributes:
        started_at: a Unix time.
        certificates: by the identity's name, "" for that of the `[identity]` table.
        good_until: by route the Unix time when it ends if nothing is renewed; 0 if it isn't good.
        crl_ends: by route the Unix time when an authority is left without a list in force.
        trust_problems: by route what is wrong with its trust files, counted.
        reloads: of the configuration by result; `spans` by what became of them.
    """

    version: str
    started_at: float
    ready: bool
    reloads: Mapping[str, int]
    routes: Mapping[str, RouteStats]
    certificates: Mapping[str, Certificate]
    good_until: Mapping[str, float]
    crl_ends: Mapping[str, float]
    trust_problems: Mapping[str, int]
    buffered_bytes: int
    worker_restarts: int
    access_lines_dropped: int
    spans: Mapping[str, int]
    forwards: Mapping[str, Forward] = field(default_factory=dict)


def exposition(numbers: Numbers) -> str:
    """Every metric as text."""
    return render(families(numbers))


def families(numbers: Numbers) -> Iterator[Family]:
    """Every metric."""
    yield from _requests(numbers.routes)
    yield from _connections(numbers.routes)
    yield from _certificates(numbers.certificates)
    yield from _trust(numbers)
    yield from _forwards(numbers.forwards)
    yield from _process(numbers)


# -- of routes -------------------------------------------------------------------------------------

_Routes = Mapping[str, RouteStats]


def _counts(
    routes: _Routes, name: str, text: str, label: str, of: Callable[[RouteStats], Mapping[str, int]]
) -> Family:
    """A counter with one more label than the route."""
    samples = [
        Sample(count, (("route", route), (label, key)))
        for route, stats in sorted(routes.items())
        for key, count in sorted(of(stats).items())
    ]
    return Family(f"{name}_total", "counter", text, tuple(samples))


def _each(routes: _Routes, of: Callable[[RouteStats], float]) -> tuple[Sample, ...]:
    """One sample a route."""
    return tuple(Sample(of(stats), (("route", route),)) for route, stats in sorted(routes.items()))


def _requests(routes: _Routes) -> Iterator[Family]:
    yield _counts(
        routes, "requests", "Finished requests by status code.", "code", lambda s: s.requests
    )
    yield _durations(routes)
    yield _counts(
        routes,
        "failures",
        "Responses made by the gateway and aborted exchanges.",
        "reason",
        lambda s: s.failures,
    )
    text = "Requests and connections that the listener refused, by rule."
    yield _counts(routes, "rejected", text, "rule", lambda s: s.rejected)
    text = "Callers that no rule of the route lets in."
    yield _counts(routes, "local_auth_denied", text, "reason", lambda s: s.denied)
    text = "Requests that were sent a second time, by what had become of the first."
    yield _counts(routes, "retry", text, "reason", lambda s: s.retries)
    text = "Answers 401 to credentials that the route attached, by what came of them."
    yield _counts(routes, "credentials_refused", text, "outcome", lambda s: s.unauthorized)
    text = "Requests that their callers gave up."
    yield Family("client_abort_total", "counter", text, _each(routes, lambda s: s.client_aborts))
    text = "Exchanges in flight, streams included."
    yield Family("active_requests", "gauge", text, _each(routes, lambda s: s.active))
    streams = _each(routes, lambda s: s.streams - s.tunnels)
    yield Family("sse_streams", "gauge", "Event streams open now.", streams)
    text = "WebSockets and connections of bytes open now."
    yield Family("tunnels", "gauge", text, _each(routes, lambda s: s.tunnels))
    yield _bytes(routes)


def _durations(routes: _Routes) -> Family:
    samples: list[Sample] = []
    for route, stats in sorted(routes.items()):
        label = ("route", route)
        buckets = dict.fromkeys(BOUNDS, 0)
        for bound, count in stats.duration_buckets.items():
            buckets[float(bound)] = buckets.get(float(bound), 0) + count
        total = 0
        for limit, count in sorted(buckets.items()):
            total += count
            samples.append(Sample(total, (label, ("le", number(limit))), "_bucket"))
        samples.append(Sample(stats.duration_sum_s, (label,), "_sum"))
        samples.append(Sample(total, (label,), "_count"))
    text = "Time from the request's head to the end of its response."
    return Family("request_duration_seconds", "histogram", text, tuple(samples))


def _bytes(routes: _Routes) -> Family:
    samples = [
        Sample(count, (("route", route), ("direction", direction)))
        for route, stats in sorted(routes.items())
        for direction, count in (("up", stats.bytes_up), ("down", stats.bytes_down))
    ]
    return Family("bytes_total", "counter", "Body bytes relayed.", tuple(samples))


def _connections(routes: _Routes) -> Iterator[Family]:
    text = "Connections of callers open now."
    callers = _each(routes, lambda s: s.downstream_connections)
    yield Family("downstream_connections", "gauge", text, callers)
    samples = [
        Sample(count, (("route", route), ("generation", generation)))
        for route, stats in sorted(routes.items())
        for generation, count in sorted(stats.connections.items())
    ]
    text = "Open connections over mutual TLS by certificate generation."
    yield Family("upstream_connections", "gauge", text, tuple(samples))
    text = "Connections to the upstream that wait for a request."
    yield Family("upstream_idle_connections", "gauge", text, _each(routes, lambda s: s.idle))
    text = "Exchanges on a connection that had carried one before."
    yield Family("upstream_reused_total", "counter", text, _each(routes, lambda s: s.reused))
    text = "Upstream connections closed."
    yield _counts(routes, "conn_retired", text, "reason", lambda s: s.retired)
    yield _handshakes(routes)
    text = "Addresses of an upstream left out for a while, by the last failure."
    yield _counts(routes, "upstream_ejections", text, "reason", lambda s: s.ejections)
    yield _ejected(routes)
    text = "Refusals of the certificate that came after a handshake, by TLS alert."
    yield _counts(routes, "late_alert", text, "alert", lambda s: s.late_alerts)


def _ejected(routes: _Routes) -> Family:
    samples = [
        Sample(count, (("route", route), ("address", address)))
        for route, stats in sorted(routes.items())
        for address, count in sorted(stats.ejected.items())
    ]
    text = "Workers that leave the address out now; only where an upstream has several."
    return Family("upstream_ejected", "gauge", text, tuple(samples))


def _handshakes(routes: _Routes) -> Family:
    samples: list[Sample] = []
    for route, stats in sorted(routes.items()):
        for kind, count in sorted(stats.handshakes.items()):
            version, _, group = kind.partition(" ")
            samples.append(Sample(count, _handshake(route, version, group, "ok")))
        for reason, count in sorted(stats.handshake_failures.items()):
            samples.append(Sample(count, _handshake(route, "", "", reason)))
    text = "TLS handshakes by version, key exchange and result."
    return Family("tls_handshake_total", "counter", text, tuple(samples))


def _handshake(route: str, version: str, group: str, result: str) -> Labels:
    return (("route", route), ("version", version), ("group", group), ("result", result))


# -- of the rest -----------------------------------------------------------------------------------


def _gauge(name: str, text: str, value: float, labels: Labels = ()) -> Family:
    return Family(name, "gauge", text, (Sample(value, labels),))


def _counter(name: str, text: str, value: float) -> Family:
    return Family(f"{name}_total", "counter", text, (Sample(value),))


def _by_result(name: str, text: str, counts: Mapping[str, int]) -> Family:
    samples = tuple(Sample(n, (("result", result),)) for result, n in sorted(counts.items()))
    return Family(f"{name}_total", "counter", text, samples)


def _certificates(known: Mapping[str, Certificate]) -> Iterator[Family]:
    """The one of the `[identity]` table has no label, as where it is the only one."""

    def each(of: Callable[[Certificate], float], suffix: str = "") -> tuple[Sample, ...]:
        return tuple(Sample(of(item), _identity(name), suffix) for name, item in known.items())

    text = "Unix time at which the client certificate expires; 0 without one."
    yield Family("cert_not_after_seconds", "gauge", text, each(lambda c: c.not_after))
    text = "Unix time of the next attempt to renew it; 0 for none."
    yield Family("cert_next_renewal_seconds", "gauge", text, each(lambda c: c.next_renewal))
    text = "Number of the certificate in use; 0 without one."
    yield Family("cert_generation", "gauge", text, each(lambda c: c.generation))
    attempts = tuple(
        Sample(count, (*_identity(name), *_renewal(outcome)))
        for name, item in known.items()
        for outcome, count in sorted(item.renewals.items())
    )
    text = "Attempts to obtain a certificate."
    yield Family("cert_renew_total", "counter", text, attempts)
    total = (
        *each(lambda c: c.renewal_s, "_sum"),
        *each(lambda c: sum(c.renewals.values()), "_count"),
    )
    yield Family("cert_renew_duration_seconds", "summary", "Time that attempts took.", total)
    skews = tuple(
        Sample(item.clock_skew_s, _identity(name))
        for name, item in known.items()
        if item.clock_skew_s is not None
    )
    text = "By how much this machine's clock is ahead of the issuer's, by its last answer."
    yield Family("cert_clock_skew_seconds", "gauge", text, skews)


def _identity(name: str) -> Labels:
    return (("identity", name),) if name else ()


def _trust(numbers: Numbers) -> Iterator[Family]:
    def by_route(values: Mapping[str, float]) -> tuple[Sample, ...]:
        return tuple(Sample(value, (("route", name),)) for name, value in sorted(values.items()))

    text = "Unix time at which the route ends if nothing is renewed any more; 0 if it isn't good."
    yield Family("route_good_until_seconds", "gauge", text, by_route(numbers.good_until))
    text = "Unix time at which an authority is left without a revocation list in force."
    yield Family("crl_not_after_seconds", "gauge", text, by_route(numbers.crl_ends))
    text = "What is wrong with the trust files of a route that has any."
    yield Family("trust_problems", "gauge", text, by_route(numbers.trust_problems))


def _forwards(known: Mapping[str, Forward]) -> Iterator[Family]:
    def each(of: Callable[[Forward], float]) -> tuple[Sample, ...]:
        return tuple(Sample(of(known[name]), (("forward", name),)) for name in sorted(known))

    text = "Lines of the audit journal that were passed on since the start."
    yield Family("audit_forward_lines_total", "counter", text, each(lambda f: f.sent))
    text = "Lines of the audit journal that wait to be passed on."
    yield Family("audit_forward_lag_lines", "gauge", text, each(lambda f: f.lag))
    text = "How long the oldest of them has waited; 0 without one."
    yield Family("audit_forward_lag_seconds", "gauge", text, each(lambda f: f.lag_s))
    text = "Lines of the audit journal that were not taken and lie aside."
    yield Family("audit_forward_refused_lines", "gauge", text, each(lambda f: f.refused))


def _renewal(outcome: str) -> Labels:
    ok = outcome == "ok"
    return (("result", "ok" if ok else "failed"), ("reason", "" if ok else outcome))


def _process(numbers: Numbers) -> Iterator[Family]:
    text = "Bytes that workers hold for slow readers."
    yield _gauge("buffered_bytes", text, numbers.buffered_bytes)
    text = "Workers replaced after they died."
    yield _counter("worker_restarts", text, numbers.worker_restarts)
    text = "Access-log lines lost because their reader was too slow."
    yield _counter("access_log_lines_dropped", text, numbers.access_lines_dropped)
    text = "Spans by what became of them."
    yield _by_result("otlp_spans", text, numbers.spans)
    yield _by_result("config_reload", "Reloads of the configuration.", numbers.reloads)
    text = "Whether the gateway is ready: 1 or 0."
    yield _gauge("ready", text, numbers.ready)
    yield _gauge("start_time_seconds", "Unix time of the start.", numbers.started_at)
    yield _gauge("build_info", "Always 1.", 1, (("version", numbers.version),))
