from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import HeaderTemplate, PeerName, Route, TcpAddress, UnixAddress
from gateway.control_plane.snapshots import (
    Addresses,
    Attached,
    BoundListener,
    Held,
    World,
    accepted_hosts,
    build,
)
from gateway.ipc.snapshot import RouteSpec, Snapshot
from tests.fakes import configs
from tests.fakes.feeds import generation


def snapshot(route: Route, **changes: Any) -> Snapshot:
    world: dict[str, Any] = {
        "config": configs.config(Path("/nowhere"), route),
        "identities": {"default": Held(generation=generation(3))},
        "listeners": {},
    }
    return build(7, World(**(world | changes)))


def only_route(route: Route, **changes: Any) -> RouteSpec:
    return snapshot(route, **changes).routes[0]


def test_hosts_are_the_loopback_names_with_the_port() -> None:
    hosts = accepted_hosts(TcpAddress("127.0.0.1", 8701), configs.route())
    assert hosts == ("127.0.0.1:8701", "localhost:8701", "[::1]:8701")


def test_port_80_is_also_accepted_without_saying_so() -> None:
    hosts = accepted_hosts(TcpAddress("127.0.0.1", 80), configs.route())
    assert {"localhost", "127.0.0.1", "[::1]", "localhost:80"} <= set(hosts)


def test_a_unix_socket_accepts_any_host() -> None:
    assert accepted_hosts(UnixAddress(Path("/x")), configs.route(allowed_hosts=("a",))) == ()


def test_origins_follow_hosts_and_what_the_route_allows() -> None:
    route = configs.route(
        allowed_hosts=("Gateway.Local:8701",), allowed_origins=("https://IDE.example",)
    )
    bound = BoundListener(id="l1", bound=TcpAddress("127.0.0.1", 8701))
    (listener,) = only_route(route, listeners={"planner": (bound,)}).listeners
    assert listener.id == "l1"
    assert "gateway.local:8701" in listener.hosts
    assert listener.origins == (
        *(f"http://{host}" for host in listener.hosts),
        "https://ide.example",
    )


def test_the_upstream_is_checked_against_the_routes_bundle_else_the_identitys() -> None:
    assert only_route(configs.route()).tls.bundle_pem == "BUNDLE"
    own = only_route(configs.route(), bundles={"planner": "OWN"})
    assert own.tls.bundle_pem == "OWN"
    assert only_route(configs.route(), identities={}).tls.bundle_pem == ""


def test_revocation_lists_are_those_that_the_route_goes_by() -> None:
    assert only_route(configs.route()).tls.crl_pem == ""
    assert only_route(configs.route(), crls={"planner": "LISTS"}).tls.crl_pem == "LISTS"


def test_addresses_that_were_found_outlast_an_error() -> None:
    target = ("127.0.0.1", 8443)
    found = Addresses(found=(("192.0.2.1", 8443),), error="dns is down")
    upstream = only_route(configs.route(), addresses={target: found}).upstream
    assert (upstream.addresses, upstream.resolve_error) == ((("192.0.2.1", 8443),), "")
    failed = only_route(configs.route(), addresses={target: Addresses(error="no such name")})
    assert failed.upstream.resolve_error == "no such name"
    assert "still being looked up" in only_route(configs.route()).upstream.resolve_error


def test_the_other_family_of_a_name_is_an_alternative() -> None:
    target = ("127.0.0.1", 8443)
    six, other_six, four = ("::1", 8443), ("2001:db8::1", 8443), ("127.0.0.1", 8443)
    both = Addresses(found=(six, four, other_six))
    upstream = only_route(configs.route(), addresses={target: both}).upstream
    assert upstream.addresses == (six, other_six)
    assert upstream.alternatives == (four,)


def test_several_targets_make_one_upstream() -> None:
    route = configs.route(addresses=(("a.example", 1), ("b.example", 2), ("192.0.2.9", 3)))
    looked_up = {
        ("a.example", 1): Addresses(found=(("192.0.2.1", 1), ("2001:db8::1", 1))),
        ("b.example", 2): Addresses(error="no such name"),
        ("192.0.2.9", 3): Addresses(found=(("192.0.2.9", 3),)),
    }
    upstream = only_route(route, addresses=looked_up).upstream
    assert upstream.addresses == (("192.0.2.1", 1), ("192.0.2.9", 3))
    assert upstream.alternatives == (("2001:db8::1", 1),)
    assert upstream.resolve_error == "", "those that were found will do"
    assert upstream.authority == "127.0.0.1:8443"
    nothing = only_route(route, addresses={("b.example", 2): Addresses(error="no such name")})
    assert nothing.upstream.resolve_error == (
        "a.example is still being looked up; no such name; 192.0.2.9 is still being looked up"
    )


def test_an_address_is_used_once_and_not_too_many_are() -> None:
    many = tuple((f"192.0.2.{number}", 1) for number in range(100))
    route = configs.route(addresses=(("a.example", 1), ("b.example", 1)))
    found = Addresses(found=many)
    looked_up = {("a.example", 1): found, ("b.example", 1): found}
    assert only_route(route, addresses=looked_up).upstream.addresses == many[:64]


def test_a_route_does_not_serve_before_its_headers_are_known() -> None:
    headers = (HeaderTemplate("Authorization", ("Bearer ", "token", "")),)
    route = configs.route(headers=headers)
    assert "still being read" in only_route(route).unavailable
    attached = Attached(headers=(("Authorization", "Bearer x"),), redact=("x",))
    known = only_route(route, attached={"planner": attached})
    assert known.unavailable == ""
    assert known.headers == (("Authorization", "Bearer x"),)
    assert only_route(configs.route()).unavailable == ""


def test_identity_and_the_reason_for_having_none() -> None:
    made = snapshot(configs.route())
    assert made.number == 7
    (identity,) = made.identities
    assert identity.generation == 3
    assert identity.key_pem == "KEY"
    assert made.missing == ()
    held = Held(generation=generation(), reason="expired")
    expired = snapshot(configs.route(), identities={"default": held})
    assert expired.identities == ()
    assert expired.routes[0].tls.bundle_pem == "BUNDLE"
    none = snapshot(configs.route(), identities={"default": Held(generation=None, reason="why")})
    assert none.identities == ()
    assert none.missing == (("default", "why"),)


def test_names_of_the_upstream_keep_their_kind() -> None:
    peers = (PeerName("spiffe", "spiffe://a/b"), PeerName("dns", "x.example"))
    tls = only_route(configs.route(peer=peers, server_name="x.example")).tls
    assert tls.peers == ("spiffe://a/b", "dns:x.example")
    assert tls.server_name == "x.example"


def test_a_tcp_route_carries_bytes_towards_the_upstream() -> None:
    made = only_route(configs.route(kind="tcp", protocol="tcp", alpn=("h2",)))
    assert (made.kind, made.ingress, made.tls.alpn) == ("tcp", False, ("h2",))
    assert only_route(configs.route()).tls.alpn == ("http/1.1",)


def test_an_ingress_answers_to_any_host_and_knows_its_callers_by_patterns() -> None:
    route = configs.route(
        kind="ingress",
        upstream_host="/run/agent.sock",
        upstream_port=0,
        peer=(PeerName("spiffe", "spiffe://a.example/**"),),
        allowed_origins=("https://IDE.example",),
    )
    bound = BoundListener(id="l1", bound=TcpAddress("0.0.0.0", 8443))
    target = ("/run/agent.sock", 0)
    made = only_route(
        route, listeners={"planner": (bound,)}, addresses={target: Addresses(found=(target,))}
    )
    assert (made.kind, made.ingress) == ("http", True)
    assert made.tls.peers == ("spiffe://a.example/**",)
    assert made.listeners[0].hosts == ()
    assert made.listeners[0].origins == ("https://ide.example",)
    assert (made.upstream.authority, made.upstream.addresses) == ("localhost", (target,))


def test_only_bytes_to_the_same_host_on_the_same_side_are_grpc_of_a_card() -> None:
    def tcp(name: str, host: str = "agent.example", **changes: Any) -> Route:
        return configs.route(
            **{"name": name, "kind": "tcp", "protocol": "tcp", "upstream_host": host} | changes,
            upstream_port=50051,
        )

    routes = (
        configs.route(upstream_host="agent.example", agent_card="rewrite"),
        tcp("grpc"),
        tcp("other", "other.example"),
        tcp("inward", kind="ingress"),
    )
    bound = (
        BoundListener(id="a", bound=TcpAddress("127.0.0.1", 9001)),
        BoundListener(id="b", bound=TcpAddress("::1", 9001)),
        BoundListener(id="c", bound=UnixAddress(Path("/run/grpc"))),
    )
    world = {"listeners": {route.name: bound for route in routes}}
    config = configs.config(Path("/nowhere"), *routes)
    made = snapshot(routes[0], config=config, **world)
    assert made.routes[0].tunnels == (
        ("agent.example:50051", "127.0.0.1:9001"),
        ("agent.example:50051", "[::1]:9001"),
    )
    assert made.routes[1].tunnels == ()
    assert Snapshot.from_json(made.to_json()) == made


def test_the_snapshot_survives_its_wire_form_and_shows_no_secret() -> None:
    attached = Attached(headers=(("Authorization", "Bearer hunter2"),), redact=("hunter2",))
    bound = BoundListener(id="l1", bound=TcpAddress("127.0.0.1", 8701))
    made = snapshot(
        configs.route(pass_headers=("Cookie",)),
        attached={"planner": attached},
        listeners={"planner": (bound,)},
        addresses={("127.0.0.1", 8443): Addresses(found=(("127.0.0.1", 8443),))},
    )
    assert Snapshot.from_json(made.to_json()) == made
    other = snapshot(configs.route(kind="ingress", protocol="tcp", alpn=("h2", "x")))
    assert Snapshot.from_json(other.to_json()) == other
    assert made.routes[0].pass_headers == ("cookie",)
    assert "hunter2" not in f"{made!r} {made.routes[0]!r} {attached!r}"
    assert "KEY" not in repr(made)


@pytest.mark.parametrize(
    ("changes", "is_refreshable"),
    [({}, True), ({"auth": "passthrough"}, False), ({"kind": "ingress"}, False)],
)
def test_what_a_route_attaches_by_itself_may_be_had_anew(
    changes: dict[str, Any], is_refreshable: bool
) -> None:
    token = HeaderTemplate("X-Token", ("", "token:idp", ""))
    fixed = HeaderTemplate("X-Fixed", ("value",))
    (made,) = snapshot(configs.route(headers=(token, fixed), **changes)).routes
    assert made.refreshable == is_refreshable
    (plain,) = snapshot(configs.route(headers=(fixed,), **changes)).routes
    assert not plain.refreshable
