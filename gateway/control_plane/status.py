"""The documents of `GET /status` and `GET /readyz`, made from the gateway's state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from certs.svid import issuers_of
from gateway.config.identities import identity_of
from gateway.config.model import DEFAULT_IDENTITY, Config, Route
from gateway.control_plane.forecast import forecast, good_until
from gateway.control_plane.views import (
    ConfiguView,
    ExportView,
    ForwardView,
    IdentityView,
    SecretView,
    TrustView,
    WorkerView,
)
from gateway.ipc.snapshot import RouteSpec, Snapshot
from gateway.ipc.stats import RouteStats
from gateway.rotation import views as rotations
from gateway.rotation.views import RotationView

#: How long a forwarder may fail before the gateway counts as degraded.
FORWARD_PATIENCE_S: Final = 600.0

Phase = Literal["starting", "running", "draining"]
State = Literal["starting", "ready", "degraded", "draining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayState:
    """Everything that the admin API shows, at one moment.

    `listening` has the open addresses of each route; `rejected` why workers refuse a route;
    `config_error` why the last reload changed nothing; `reloads` counts them by result, `spans`
    those that were exported; `forwards` are those of the journal; `identities` are by name;
    `trust` tells how it stands with the files of each route that has any.
    """

    version: str
    pid: int
    now: datetime
    started_at: datetime
    phase: Phase
    config: Config
    identities: Mapping[str, IdentityView]
    workers: tuple[WorkerView, ...]
    snapshot: Snapshot | None
    listening: Mapping[str, tuple[str, ...]]
    stats: Mapping[str, RouteStats]
    rejected: Mapping[str, str]
    secrets: tuple[SecretView, ...]
    access_lines_dropped: int = 0
    reloads: Mapping[str, int] = field(default_factory=dict)
    spans: Mapping[str, int] = field(default_factory=dict)
    config_error: str = ""
    trust: Mapping[str, TrustView] = field(default_factory=dict)
    exports: tuple[ExportView, ...] = ()
    configu: ConfiguView | None = None
    forwards: tuple[ForwardView, ...] = ()
    rotations: tuple[RotationView, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness."""

    name: str
    ok: bool
    reason: str = ""


def document(state: GatewayState) -> dict[str, Any]:
    """The body of `GET /status`; `identity` is the first of `identities`."""
    identities = [_identity(name, view, state) for name, view in state.identities.items()]
    return {
        "version": state.version,
        "pid": state.pid,
        "started_at": rfc3339(state.started_at),
        "state": overall(state),
        "reasons": reasons(state),
        "config": str(state.config.path),
        "project": state.config.project,
        "identity": identities[0],
        "identities": identities,
        "forecast": [
            {"good_until": rfc3339(outlook.good_until), "routes": list(outlook.routes)}
            for outlook in forecast(good_until_by_route(state))
        ],
        "workers": [
            {
                "pid": worker.pid,
                "state": worker.state,
                "restarts": worker.restarts,
                "snapshot": worker.snapshot,
                "connections": worker.connections,
                "streams": worker.streams,
            }
            for worker in state.workers
        ],
        "routes": [_route(route, state) for route in state.config.routes],
        "secrets": [
            {"name": secret.name, "route": secret.route, "state": secret.state}
            for secret in state.secrets
        ],
        "exports": [
            {
                "identity": export.identity,
                "dir": export.folder,
                "serial": export.serial or None,
                "exported_at": rfc3339(export.exported_at),
                "error": export.error or None,
            }
            for export in state.exports
        ],
        "forwards": [
            {
                "name": item.name,
                "kind": item.kind,
                "to": item.to,
                "position": item.position,
                "lag": item.lag,
                "waiting_since": rfc3339(item.waiting_since),
                "sent": item.sent,
                "refused": item.refused,
                "error": item.problem or None,
                "error_since": rfc3339(item.problem_since),
            }
            for item in state.forwards
        ],
        "configu": _configu(state.configu, state.now),
        "rotations": [rotations.document(view, state.now) for view in state.rotations],
        "workload_api": str(api.socket) if (api := state.config.workload_api) else None,
    }


def good_until_by_route(state: GatewayState) -> dict[str, datetime | None]:
    """By route when it ends if nothing is renewed any more; None where it isn't good now."""
    return {route.name: _good_until(route, state) for route in state.config.routes}


def readiness(state: GatewayState) -> dict[str, Any]:
    """The body of `GET /readyz`: ready when nothing that the gateway answers for is missing.

    A reload that was refused does not count, nor a renewal that failed while the certificate is
    good, nor a trust file that can't be used: the gateway works as before. `warnings` has these.
    """
    found = checks(state)
    known = {check.reason for check in found}
    warnings = [reason for reason in reasons(state) if reason not in known]
    return {**_verdict("ready", found), "warnings": warnings}


def route_readiness(name: str, state: GatewayState) -> dict[str, Any] | None:
    """The body of `GET /readyz/NAME`: whether one route can serve, whatever the others can; None
    where there is no such route.
    """
    for route in state.config.routes:
        if route.name == name:
            found = _common_checks(state, [identity_of(route, state.config)])
            return _verdict("ready", (*found, _route_check(route, state)))
    return None


def startup(state: GatewayState) -> dict[str, Any]:
    """The body of `GET /startupz`: started once there was a certificate and every worker had its
    routes; what breaks later doesn't undo it.
    """
    early = state.phase == "starting" and (_worker_problem(state) or "the start isn't over yet")
    had_one: list[Check] = []
    for name, view in state.identities.items():
        check = _identity_check(name, state)
        had_one.append(Check(check.name, ok=True) if view.generation is not None else check)
    return _verdict("started", (*had_one, Check("start", not early, early or "")))


def _verdict(word: str, found: tuple[Check, ...]) -> dict[str, Any]:
    return {
        word: all(check.ok for check in found),
        "checks": {check.name: {"ok": check.ok, "reason": check.reason} for check in found},
    }


def overall(state: GatewayState) -> State:
    """The one word for it all."""
    if state.phase == "draining":
        return "draining"
    if not reasons(state):
        return "ready"
    return "starting" if state.phase == "starting" else "degraded"


def reasons(state: GatewayState) -> list[str]:
    """Why the gateway is not all right, in words; empty when it is."""
    found = [check.reason for check in _common_checks(state, state.identities) if not check.ok]
    found += [
        f"route {route.name}: {why}"
        for route in state.config.routes
        if (why := _unavailable(route, state))
    ]
    for name, view in state.identities.items():
        if not identity_problem(view, state.now) and view.reason:
            found.append(_of(name, view.reason))
    if state.config_error:
        found.append(f"the last reload was refused: {state.config_error}")
    found += [f"export to {item.folder}: {item.error}" for item in state.exports if item.error]
    for name, trust in sorted(state.trust.items()):
        found += [f"route {name}: {problem}" for problem in trust.problems]
    return [*found, *(why for item in state.forwards if (why := _unforwarded(item, state.now)))]


def _unforwarded(item: ForwardView, now: datetime) -> str:
    """Why somebody should look after a forwarder, or ""; a short absence of a server is no news."""
    if item.refused:
        return f"{item.refused} line(s) of the audit journal were not taken by {item.name}"
    since = item.problem_since
    if since is None or (now - since).total_seconds() < FORWARD_PATIENCE_S:
        return ""
    return f"the audit journal can't be sent to {item.name}: {item.problem}"


def checks(state: GatewayState) -> tuple[Check, ...]:
    """The conditions of readiness, in the order in which they are worth reading."""
    return (
        *_common_checks(state, state.identities),
        *(_route_check(route, state) for route in state.config.routes),
    )


def _common_checks(state: GatewayState, identities: Iterable[str]) -> tuple[Check, ...]:
    draining = _if(state.phase == "draining", "draining")
    workers, crowd = _worker_problem(state), _crowd(state)
    return (
        Check("accepting", not draining, draining),
        *(_identity_check(name, state) for name in identities),
        Check("workers", not workers, workers),
        Check("capacity", not crowd, crowd),
    )


def _identity_check(name: str, state: GatewayState) -> Check:
    view = state.identities.get(name)
    problem = identity_problem(view, state.now) if view else "no certificate yet"
    word = "identity" if name == DEFAULT_IDENTITY else f"identity:{name}"
    return Check(word, not problem, _of(name, problem))


def _of(identity: str, problem: str) -> str:
    """A problem with the identity that it is one of, where there may be several."""
    return problem if identity == DEFAULT_IDENTITY or not problem else f"{identity}: {problem}"


def identity_problem(identity: IdentityView, now: datetime) -> str:
    """Why the identity is not usable at `now`, or ""."""
    if identity.generation is None:
        return identity.reason or "no certificate yet"
    if now >= identity.generation.not_after:
        return identity.reason or "the certificate has expired"
    return ""


def rfc3339(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _if(condition: bool, text: str) -> str:  # noqa: FBT001 - reads as a sentence
    return text if condition else ""


def _worker_problem(state: GatewayState) -> str:
    number = state.snapshot.number if state.snapshot else 0
    for worker in state.workers:
        if worker.state == "retiring":
            continue  # another one has taken over from it
        if worker.state != "ready":
            return f"a worker is {worker.state}"
        if worker.snapshot == 0 or number == 0:
            return "a worker waits for its routes"
    return ""


def _crowd(state: GatewayState) -> str:
    """Whether no caller finds room any more: idle connections would make place for it."""
    limits = state.config.limits
    busy = sum(stats.active for stats in state.stats.values())
    full = busy >= limits.max_connections * limits.workers
    return _if(full, "the limit on open connections is reached, and all of them are busy")


def _route_check(route: Route, state: GatewayState) -> Check:
    why = _unavailable(route, state) or _untrusting(route, state)
    if not why and not _identity_check(identity_of(route, state.config), state).ok:
        why = "it has no certificate to show"
    return Check(f"route:{route.name}", not why, f"route {route.name}: {why}" if why else "")


def _unavailable(route: Route, state: GatewayState) -> str:
    spec = _spec(route, state)
    if spec is None:
        return "not in use yet"
    return spec.unavailable or spec.upstream.resolve_error or state.rejected.get(route.name, "")


def _untrusting(route: Route, state: GatewayState) -> str:
    """Why nobody on the other side of the route is trusted any more, or ""."""
    ends_at = state.trust.get(route.name, TrustView()).crl_ends_at
    return _if(ends_at is not None and ends_at <= state.now, "a revocation list has run out")


def _good_until(route: Route, state: GatewayState) -> datetime | None:
    if not _route_check(route, state).ok:
        return None
    view = state.identities[identity_of(route, state.config)]
    ends = [view.generation.not_after if view.generation else None]
    if crl_ends_at := state.trust.get(route.name, TrustView()).crl_ends_at:
        ends.append(crl_ends_at)
    return good_until(ends, state.now)


def _spec(route: Route, state: GatewayState) -> RouteSpec | None:
    for spec in state.snapshot.routes if state.snapshot else ():
        if spec.name == route.name:
            return spec
    return None


def _identity(name: str, view: IdentityView, state: GatewayState) -> dict[str, Any]:
    generation = view.generation
    routes = state.config.routes
    return {
        "name": name,
        "routes": [route.name for route in routes if identity_of(route, state.config) == name],
        "source": view.source,
        "state": view.state,
        "spiffe_id": generation.spiffe_id or None if generation else None,
        "dns_names": list(generation.dns_names) if generation else [],
        "issuer": generation.issuer if generation else None,
        "issuer_chain": list(issuers_of(generation.chain_pem)) if generation else [],
        "serial": generation.serial if generation else None,
        "generation": generation.number if generation else 0,
        "not_before": rfc3339(generation.not_before) if generation else None,
        "not_after": rfc3339(generation.not_after) if generation else None,
        "next_renewal": rfc3339(view.next_renewal),
        "renewal_possible_from": rfc3339(view.earliest_renewal),
        "last_error": view.last_error or None,
        "last_error_hint": view.last_error_hint or None,
        "last_error_at": rfc3339(view.last_error_at),
        "reason": view.reason or None,
        "clock_skew_s": view.clock_skew_s,
    }


def _route(route: Route, state: GatewayState) -> dict[str, Any]:
    stats = state.stats.get(route.name, RouteStats())
    trust = state.trust.get(route.name, TrustView())
    at = datetime.fromtimestamp(stats.last_error_at, UTC) if stats.last_error_at else None
    return {
        "name": route.name,
        "kind": route.kind,
        "identity": identity_of(route, state.config),
        "listeners": list(state.listening.get(route.name, ())),
        "listener_urls": [route.listen_url(at) for at in state.listening.get(route.name, ())],
        "upstream": route.upstream_url,
        "auth": route.auth if route.kind == "http" else None,
        "peers": [str(peer) for peer in route.peer],
        "peer": stats.peer or None,
        "tls_version": stats.tls_version or None,
        "tls_group": stats.tls_group or None,
        "tls_cipher": stats.tls_cipher or None,
        "active": stats.active,
        "streams": stats.streams,
        "connections": dict(sorted(_nonzero(stats.connections))),
        "ejected": sorted(address for address, workers in stats.ejected.items() if workers),
        "idle_connections": stats.idle,
        "requests": dict(sorted(stats.requests.items())),
        "failures": dict(sorted(stats.failures.items())),
        "bytes_up": stats.bytes_up,
        "bytes_down": stats.bytes_down,
        "unavailable": _unavailable(route, state) or None,
        "good_until": rfc3339(_good_until(route, state)),
        "trust_problems": list(trust.problems),
        "crl_ends_at": rfc3339(trust.crl_ends_at),
        "last_error": stats.last_error or None,
        "last_error_at": rfc3339(at),
    }


def _configu(view: ConfiguView | None, now: datetime) -> dict[str, Any] | None:
    if view is None:
        return None
    return {
        "url": view.url,
        "set": view.set,
        "answered_at": rfc3339(view.contact.answered_at),
        "age_s": view.contact.age_s(now),
        "problem": view.problem or None,
        "too_old": view.too_old or None,
        "wanting": [
            {"name": item.name, "state": item.kind, "reason": item.reason or None}
            for item in view.wanting
        ],
    }


def _nonzero(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    return ((key, count) for key, count in counts.items() if count)
