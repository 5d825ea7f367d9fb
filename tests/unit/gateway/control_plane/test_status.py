from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import Limits
from gateway.control_plane.snapshots import Addresses, Held, World, build
from gateway.control_plane.status import (
    GatewayState,
    document,
    overall,
    readiness,
    reasons,
    rfc3339,
    route_readiness,
    startup,
)
from gateway.control_plane.views import ForwardView, IdentityView, TrustView, WorkerView
from gateway.ipc.stats import RouteStats
from tests.fakes import configs
from tests.fakes.feeds import generation

ADDRESSES = {("127.0.0.1", 8443): Addresses(found=(("127.0.0.1", 8443),))}


def gateway_state(**changes: Any) -> GatewayState:
    """A gateway where all is well, apart from the changes."""
    config = configs.config(Path("/nowhere"))
    world = World(
        config=config,
        identities={"default": Held(generation=generation())},
        listeners={},
        addresses=ADDRESSES,
    )
    now = datetime.now(UTC)
    plain = GatewayState(
        version="1",
        pid=1,
        now=now,
        started_at=now,
        phase="running",
        config=config,
        identities={
            "default": IdentityView(
                source="files", state="valid", generation=generation(), renewals={"ok": 1}
            )
        },
        workers=(WorkerView(pid=2, state="ready", restarts=0, snapshot=1),),
        snapshot=build(1, world),
        listening={"planner": ("127.0.0.1:8701",)},
        stats={},
        rejected={},
        secrets=(),
    )
    return replace(plain, **changes)


def without_identity(**view: Any) -> IdentityView:
    return IdentityView(source="issuer", state="waiting", renewals={}, **view)


def test_trust_files_that_cant_be_used_are_told_and_dont_count_for_readiness() -> None:
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    view = TrustView(problems=("ca.pem is gone", "a list has expired"), crl_ends_at=ends)
    state = gateway_state(trust={"planner": view})
    assert overall(state) == "degraded"
    assert readiness(state)["ready"] is True
    assert reasons(state) == ["route planner: ca.pem is gone", "route planner: a list has expired"]
    (route,) = document(state)["routes"]
    assert route["trust_problems"] == ["ca.pem is gone", "a list has expired"]
    assert route["crl_ends_at"] == "2027-01-01T00:00:00Z"
    assert readiness(state)["warnings"] == reasons(state)
    (plain,) = document(gateway_state())["routes"]
    assert (plain["trust_problems"], plain["crl_ends_at"]) == ([], None)


@pytest.mark.parametrize(
    ("refused", "failing_s", "told"),
    [
        (0, None, []),
        (0, 599.0, []),
        (0, 601.0, ["the audit journal can't be sent to siem: no route"]),
        (2, None, ["2 line(s) of the audit journal were not taken by siem"]),
    ],
)
def test_a_forwarder_that_needs_looking_after(
    refused: int, failing_s: float | None, told: list[str]
) -> None:
    now = datetime.now(UTC)
    view = ForwardView(
        name="siem",
        kind="syslog",
        to="unix:///dev/log",
        position=4,
        lag=3,
        waiting_since=now,
        sent=4,
        refused=refused,
        problem="no route" if failing_s else "",
        problem_since=now - timedelta(seconds=failing_s) if failing_s else None,
    )
    state = gateway_state(now=now, forwards=(view,))
    assert reasons(state) == told
    assert readiness(state)["ready"] is True
    (shown,) = document(state)["forwards"]
    assert (shown["position"], shown["lag"], shown["refused"]) == (4, 3, refused)
    assert (shown["error"] is None) is (failing_s is None)


def test_all_is_well() -> None:
    state = gateway_state()
    assert overall(state) == "ready"
    assert readiness(state)["ready"] is True


@pytest.mark.parametrize(
    ("changes", "check", "reason"),
    [
        (
            {"identities": {"default": without_identity(reason="none yet: issuer is down")}},
            "identity",
            "none yet: issuer is down",
        ),
        (
            {"now": datetime.now(UTC) + timedelta(days=1)},
            "identity",
            "the certificate has expired",
        ),
        (
            {"workers": (WorkerView(pid=0, state="crash-loop", restarts=9, snapshot=0),)},
            "workers",
            "a worker is crash-loop",
        ),
        (
            {"workers": (WorkerView(pid=1, state="ready", restarts=0, snapshot=0),)},
            "workers",
            "a worker waits for its routes",
        ),
        ({"rejected": {"planner": "bad bundle"}}, "route:planner", "route planner: bad bundle"),
        ({"snapshot": None}, "route:planner", "route planner: not in use yet"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], check: str, reason: str) -> None:
    state = gateway_state(**changes)
    assert overall(state) == "degraded"
    assert reason in reasons(state)
    body = readiness(state)
    assert body["ready"] is False
    assert body["checks"][check] == {"ok": False, "reason": reason}


def test_the_same_at_the_start_is_not_degraded_yet() -> None:
    assert (
        overall(gateway_state(phase="starting", identities={"default": without_identity()}))
        == "starting"
    )
    assert overall(gateway_state(phase="starting")) == "ready"


def test_a_failed_renewal_is_a_reason_but_does_not_stop_readiness() -> None:
    view = replace(gateway_state().identities["default"], reason="renewing failed: issuer is down")
    state = gateway_state(identities={"default": view})
    assert overall(state) == "degraded"
    assert reasons(state) == ["renewing failed: issuer is down"]
    assert readiness(state)["ready"] is True


def test_draining_is_never_ready() -> None:
    state = gateway_state(phase="draining")
    assert overall(state) == "draining"
    assert readiness(state)["ready"] is False


def test_a_refused_reload_is_a_reason_but_does_not_stop_readiness() -> None:
    state = gateway_state(config_error="routes[0].peer: missing")
    assert overall(state) == "degraded"
    assert reasons(state) == ["the last reload was refused: routes[0].peer: missing"]
    assert readiness(state)["ready"] is True


def test_a_route_shows_its_numbers() -> None:
    stats = RouteStats(
        requests={"502": 1, "200": 10},
        connections={"2": 0, "3": 2},
        ejected={"192.0.2.1:443": 0, "192.0.2.2:443": 2},
        tls_version="TLSv1.3",
        tls_group="X25519MLKEM768",
        peer="spiffe://acme.example/agent/planner",
        last_error="refused",
        last_error_at=1_700_000_000.5,
    )
    (route,) = document(gateway_state(stats={"planner": stats}))["routes"]
    assert route["requests"] == {"200": 10, "502": 1}
    assert route["connections"] == {"3": 2}
    assert route["ejected"] == ["192.0.2.2:443"]
    assert route["listeners"] == ["127.0.0.1:8701"]
    assert route["listener_urls"] == ["http://127.0.0.1:8701"]
    assert (route["kind"], route["upstream"]) == ("http", "https://127.0.0.1:8443")
    assert route["tls_group"] == "X25519MLKEM768"
    assert route["last_error_at"] == "2023-11-14T22:13:20Z"
    assert route["unavailable"] is None


def test_what_is_not_known_is_null() -> None:
    body = document(gateway_state(identities={"default": without_identity()}))
    assert body["identity"]["serial"] is None
    assert body["identity"]["not_after"] is None
    assert body["identity"]["generation"] == 0
    assert body["routes"][0]["peer"] is None


def test_times_are_utc() -> None:
    at = datetime.fromisoformat("2026-01-02T03:04:05.678+02:00")
    assert rfc3339(at) == "2026-01-02T01:04:05Z"
    assert rfc3339(None) is None


def test_started_stays_started() -> None:
    assert startup(gateway_state())["started"]
    expired = gateway_state(now=datetime.now(UTC) + timedelta(days=1), phase="draining")
    assert startup(expired)["started"]


@pytest.mark.parametrize(
    ("changes", "check", "reason"),
    [
        ({"phase": "starting"}, "start", "the start isn't over yet"),
        (
            {
                "phase": "starting",
                "workers": (WorkerView(pid=2, state="ready", restarts=0, snapshot=0),),
            },
            "start",
            "a worker waits for its routes",
        ),
        ({"identities": {"default": without_identity(reason="none yet")}}, "identity", "none yet"),
        ({"identities": {"default": without_identity()}}, "identity", "no certificate yet"),
    ],
)
def test_not_started_yet(changes: dict[str, Any], check: str, reason: str) -> None:
    body = startup(gateway_state(**changes))
    assert not body["started"]
    assert body["checks"][check] == {"ok": False, "reason": reason}


@pytest.mark.parametrize(("busy", "ready"), [(19, True), (20, False)])
def test_a_gateway_whose_every_connection_is_busy_is_not_ready(busy: int, *, ready: bool) -> None:
    limits = Limits(max_connections=10, workers=2)
    config = configs.config(Path("/nowhere"), limits=limits)
    state = gateway_state(config=config, stats={"planner": RouteStats(active=busy)})
    assert readiness(state)["ready"] is ready


def of_two_identities(billing: IdentityView) -> GatewayState:
    """A gateway with a route of its own identity each."""
    state = gateway_state()
    plain = state.config
    config = replace(
        plain,
        identities={"billing": plain.identity},
        routes=(configs.route(), configs.route("invoices", identity="billing")),
    )
    views = {"default": state.identities["default"], "billing": billing}
    held = {name: Held(generation=view.generation) for name, view in views.items()}
    world = World(config=config, identities=held, listeners={}, addresses=ADDRESSES)
    return replace(state, config=config, identities=views, snapshot=build(1, world))


def test_an_identity_that_is_missing_is_a_matter_of_its_routes() -> None:
    state = of_two_identities(without_identity(reason="billing's issuer is down"))
    assert reasons(state) == ["billing: billing's issuer is down"]
    ready, missing = (route_readiness(name, state) for name in ("planner", "invoices"))
    assert ready is not None
    assert ready["ready"]
    assert missing is not None
    assert not missing["ready"]
    assert missing["checks"]["identity:billing"]["reason"] == "billing: billing's issuer is down"
    assert missing["checks"]["route:invoices"]["ok"] is False
    assert route_readiness("nobody", state) is None
    body = readiness(state)
    assert [name for name, check in body["checks"].items() if not check["ok"]] == [
        "identity:billing",
        "route:invoices",
    ]
    assert startup(state)["checks"]["identity:billing"]["ok"] is False


def test_each_identity_is_shown_with_its_routes() -> None:
    state = of_two_identities(without_identity())
    shown = document(state)
    assert [(item["name"], item["routes"]) for item in shown["identities"]] == [
        ("default", ["planner"]),
        ("billing", ["invoices"]),
    ]
    assert shown["identity"] == shown["identities"][0]
    assert [route["identity"] for route in shown["routes"]] == ["default", "billing"]


def test_a_revocation_list_that_has_run_out_ends_its_route() -> None:
    state = gateway_state()
    view = TrustView(problems=("its list has expired",), crl_ends_at=state.now)
    state = replace(state, trust={"planner": view})
    body = readiness(state)
    assert not body["ready"]
    assert body["checks"]["route:planner"]["reason"] == (
        "route planner: a revocation list has run out"
    )
    assert body["warnings"] == ["route planner: its list has expired"]
    assert document(state)["forecast"] == [{"good_until": None, "routes": ["planner"]}]


def test_the_forecast_is_of_certificates_and_revocation_lists() -> None:
    view = without_identity(reason="its issuer is down")
    state = of_two_identities(view)
    own = state.identities["default"].generation
    assert own is not None
    assert document(state)["forecast"] == [
        {"good_until": None, "routes": ["invoices"]},
        {"good_until": rfc3339(own.not_after), "routes": ["planner"]},
    ]
    soon = state.now + timedelta(minutes=5)
    state = replace(state, trust={"planner": TrustView(crl_ends_at=soon)})
    assert document(state)["routes"][0]["good_until"] == rfc3339(soon)
    assert document(state)["routes"][1]["good_until"] is None
