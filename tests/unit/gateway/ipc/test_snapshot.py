"""A snapshot comes out of its wire form as it went in, and shows no secret."""

from __future__ import annotations

from dataclasses import replace

from gateway.ipc.snapshot import (
    IdentitySpec,
    LimitsSpec,
    ListenerSpec,
    RouteSpec,
    Snapshot,
    TlsSpec,
    UpstreamSpec,
)

SNAPSHOT = Snapshot(
    number=7,
    identities=(
        IdentitySpec(
            name="billing",
            generation=3,
            key_pem="the key",
            chain_pem="the chain",
            spiffe_id="spiffe://acme.example/x",
            not_after=1.5e9,
            renewable_at=1.25e9,
        ),
    ),
    missing=(("default", "issuer down"),),
    routes=(
        RouteSpec(
            name="planner",
            listeners=(ListenerSpec(id="l", address="a:1", hosts=("a:1",), origins=("o",)),),
            upstream=UpstreamSpec(
                authority="up:1",
                addresses=(("127.0.0.1", 1), ("::1", 1)),
                resolve_error="",
            ),
            tls=TlsSpec(
                server_name="up",
                peers=("dns:up", "spiffe://acme.example/up"),
                bundle_pem="the bundle",
                crl_pem="the list",
                alpn=("h2",),
            ),
            pass_headers=("cookie",),
            headers=(("Authorization", "Bearer hush\u00e9"),),
            redact=("hush\u00e9",),
            unavailable="",
            kind="tcp",
            ingress=True,
            identity="billing",
        ),
    ),
    limits=LimitsSpec(head_timeout_s=0.5),
    access_log=False,
)


def test_there_and_back() -> None:
    assert Snapshot.from_json(SNAPSHOT.to_json()) == SNAPSHOT


def test_a_bundle_of_many_routes_goes_over_and_is_kept_once() -> None:
    (route,) = SNAPSHOT.routes
    route = replace(
        route, tls=replace(route.tls, bundle_pem="BUNDLE" * 100, crl_pem="BUNDLE" * 100)
    )
    many = replace(SNAPSHOT, routes=(route, replace(route, name="twin")))
    data = many.to_json()
    assert data.count(b"BUNDLE" * 100) == 1
    again = Snapshot.from_json(data)
    assert again == many
    assert again.routes[0].tls.bundle_pem is again.routes[1].tls.crl_pem


def test_without_an_identity() -> None:
    bare = replace(SNAPSHOT, identities=(), routes=())
    assert Snapshot.from_json(bare.to_json()) == bare


def test_a_snapshot_from_the_wire_is_as_immutable_as_any() -> None:
    again = Snapshot.from_json(SNAPSHOT.to_json())
    assert hash(again) == hash(SNAPSHOT)


def test_a_repr_shows_neither_key_nor_header_value() -> None:
    shown = repr(SNAPSHOT) + repr(SNAPSHOT.identities) + repr(SNAPSHOT.routes)
    assert "hush" not in shown
    assert "the key" not in shown
    assert "planner" in shown
