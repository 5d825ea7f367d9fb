"""How snapshots change a worker's world, without running its loop."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.data_plane.client import ClientConnection
from gateway.data_plane.plane import DataPlane
from gateway.data_plane.wire.request import UNREADABLE
from gateway.ipc.snapshot import (
    IdentitySpec,
    LimitsSpec,
    ListenerSpec,
    RouteSpec,
    Snapshot,
    TlsSpec,
    UpstreamSpec,
)
from tests.compiled import sources_only
from tests.fakes.authority import Authority
from tests.fakes.certificates import of_version

AUTHORITY = Authority()
LEAF = AUTHORITY.issue("spiffe://acme.example/client")
IDENTITY = IdentitySpec(
    generation=1,
    key_pem=LEAF.key_pem,
    chain_pem=LEAF.chain_pem,
    spiffe_id="",
    not_after=LEAF.not_after,
)


def _route(name: str, listener: str = "", bundle: str = AUTHORITY.pem) -> RouteSpec:
    listeners = (ListenerSpec(id=listener, address=listener, hosts=(), origins=()),)
    return RouteSpec(
        name=name,
        listeners=listeners if listener else (),
        upstream=UpstreamSpec(
            authority="up",
            addresses=(("127.0.0.1", 1),),
            resolve_error="",
        ),
        tls=TlsSpec(
            server_name="up",
            peers=("dns:up",),
            bundle_pem=bundle,
        ),
        pass_headers=(),
        headers=(),
        redact=(),
        unavailable="",
    )


class Rig:
    """A plane, the events that it told, and snapshots for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.plane = DataPlane(lambda event, **fields: self.events.append((event, fields)))
        self._number = 0

    def apply(
        self,
        *routes: RouteSpec,
        identity: IdentitySpec | None = IDENTITY,
        others: tuple[IdentitySpec, ...] = (),
    ) -> None:
        self._number += 1
        self.plane.apply(
            Snapshot(
                number=self._number,
                identities=(*((identity,) if identity else ()), *others),
                missing=() if identity else (("default", "the issuer is down"),),
                routes=routes,
                limits=LimitsSpec(max_connections=self._number),
            )
        )

    def add_socket(self, name: str) -> socket.socket:
        sock = socket.create_server(("127.0.0.1", 0))
        self.plane.add_socket(name, sock)
        return sock


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.plane.drain()
    made.plane.reactor._poller.close()  # type: ignore[attr-defined]


def test_an_epoch_lasts_while_identity_and_far_side_stay(rig: Rig) -> None:
    rig.apply(_route("a"))
    epoch = rig.plane.routes["a"].epoch
    assert epoch is not None
    rig.apply(replace(_route("a"), headers=(("X-Token", "t"),), unavailable="not now"))
    assert rig.plane.routes["a"].epoch is epoch
    rig.apply(_route("a"), identity=replace(IDENTITY, generation=2))
    assert rig.plane.routes["a"].epoch is not epoch


@pytest.mark.parametrize(
    "change", [{"authority": "x"}, {"server_name": "x"}, {"peers": ("dns:x",)}, {"bundle_pem": ""}]
)
def test_another_far_side_begins_an_epoch(rig: Rig, change: dict[str, Any]) -> None:
    before = _route("a")
    rig.apply(before)
    epoch = rig.plane.routes["a"].epoch
    if "bundle_pem" in change:
        change = {"bundle_pem": Authority().pem}
    if "authority" in change:
        rig.apply(replace(before, upstream=replace(before.upstream, **change)))
    else:
        rig.apply(replace(before, tls=replace(before.tls, **change)))
    assert rig.plane.routes["a"].epoch is not epoch


def test_other_addresses_do_not(rig: Rig) -> None:
    before = _route("a")
    rig.apply(before)
    epoch = rig.plane.routes["a"].epoch
    rig.apply(replace(before, upstream=replace(before.upstream, addresses=(("::1", 2),))))
    assert rig.plane.routes["a"].epoch is epoch


def test_routes_with_one_bundle_share_one_context(rig: Rig) -> None:
    rig.apply(_route("a"), _route("b"), _route("c", bundle=Authority().pem))
    contexts = [
        route.epoch.credentials.context for route in rig.plane.routes.values() if route.epoch
    ]
    assert contexts[0] is contexts[1]
    assert contexts[0] is not contexts[2]


def test_no_identity_no_epoch_and_the_reason(rig: Rig) -> None:
    rig.apply(_route("a"))
    rig.apply(_route("a"), identity=None)
    route = rig.plane.routes["a"]
    assert (route.epoch, route.reason) == (None, "the issuer is down")
    rig.apply(_route("a"))
    assert route.epoch is not None
    assert route.reason == ""


def test_unreadable_material_is_told_without_a_word_of_it(rig: Rig) -> None:
    rig.apply(_route("a"), identity=replace(IDENTITY, key_pem="-----hush-----"))
    route = rig.plane.routes["a"]
    assert route.epoch is None
    assert "can't be read" in route.reason
    assert "hush" not in route.reason


def test_each_route_goes_by_its_own_identity(rig: Rig) -> None:
    billing = replace(IDENTITY, name="billing", generation=7)
    routes = _route("a"), replace(_route("b"), identity="billing")
    rig.apply(*routes, others=(billing,))
    a, b = (rig.plane.routes[name] for name in "ab")
    assert [route.epoch.credentials.generation for route in (a, b) if route.epoch] == [1, 7]
    kept = a.epoch
    rig.apply(*routes, others=(replace(billing, generation=8),))
    assert a.epoch is kept, "another one's renewal is none of its business"
    rig.apply(*routes, identity=None, others=(billing,))
    assert (a.epoch, a.reason) == (None, "the issuer is down")
    assert b.epoch is not None
    rig.apply(*routes, others=(replace(billing, chain_pem="nonsense"),))
    assert a.epoch is not None
    assert b.epoch is None
    assert "can't be read" in b.reason


def test_a_route_that_turns_to_another_identity_begins_an_epoch(rig: Rig) -> None:
    billing = replace(IDENTITY, name="billing")
    rig.apply(_route("a"), others=(billing,))
    route = rig.plane.routes["a"]
    before, refusals = route.epoch, route.refusals
    rig.apply(replace(_route("a"), identity="billing"), others=(billing,))
    assert route.epoch is not None
    assert route.epoch is not before
    assert route.refusals is not refusals, "numbers of generations begin anew"


def test_an_identity_nobody_knows_is_asked_for_by_name(rig: Rig) -> None:
    rig.apply(replace(_route("a"), identity="billing"))
    for _ in range(2):
        rig.plane.want_identity("billing")
    rig.plane.want_identity("default")  # it is good
    assert rig.events == [("identity_expired", {"identity": "billing", "generation": 0})]


def test_a_certificate_of_a_version_that_nobody_knows_harms_nothing_else(rig: Rig) -> None:
    odd = of_version(AUTHORITY.pem.encode(), 5).decode()
    rig.apply(_route("a"), _route("b", bundle=odd))
    assert rig.plane.routes["a"].epoch is not None
    assert rig.plane.routes["b"].epoch is None
    rig.apply(_route("a"), identity=replace(IDENTITY, chain_pem=odd))
    assert "can't be read" in rig.plane.routes["a"].reason


def test_an_unusable_bundle_harms_its_route_only(rig: Rig) -> None:
    rig.apply(_route("a"), _route("b", bundle="nonsense"))
    assert rig.plane.routes["a"].epoch is not None
    assert rig.plane.routes["b"].epoch is None
    assert [(event, fields["route"]) for event, fields in rig.events] == [("route_rejected", "b")]


def test_listeners_come_move_and_go(rig: Rig) -> None:
    sock = rig.add_socket("l")
    rig.apply(_route("a", "l"), _route("b"))
    listener = rig.plane._listeners["l"]
    assert listener.route.name == "a"
    rig.apply(_route("a"), _route("b", "l"))
    assert rig.plane._listeners["l"] is listener
    assert listener.route.name == "b"
    rig.apply(_route("a"), _route("b"))
    assert listener.closed
    assert sock.fileno() == -1


@pytest.mark.parametrize("change", [{"kind": "tcp"}, {"ingress": True}])
def test_another_kind_is_another_route_and_another_listener(
    rig: Rig, change: dict[str, Any]
) -> None:
    sock = rig.add_socket("l")
    rig.apply(_route("a", "l"))
    route, listener = rig.plane.routes["a"], rig.plane._listeners["l"]
    rig.apply(replace(_route("a", "l"), **change))
    other = rig.plane._listeners["l"]
    assert (rig.plane.routes["a"] is route, other is listener) == (False, False)
    assert (listener.closed, other.closed) == (True, False)
    assert (listener.route, other.route) == (route, rig.plane.routes["a"])
    assert (other.fd, sock.fileno() != -1) == (listener.fd, True)
    assert route.spec.unavailable == "the route was removed"


def test_a_listener_that_moves_to_a_route_of_another_kind_begins_anew(rig: Rig) -> None:
    rig.add_socket("l")
    rig.apply(_route("a", "l"), replace(_route("b"), kind="tcp"))
    listener = rig.plane._listeners["l"]
    rig.apply(_route("a"), replace(_route("b", "l"), kind="tcp"))
    assert listener.closed
    assert listener.route is rig.plane.routes["a"]
    assert rig.plane._listeners["l"].route is rig.plane.routes["b"]


def test_a_worker_that_retires_takes_another_kind_too(rig: Rig) -> None:
    rig.add_socket("l")
    rig.apply(_route("a", "l"))
    route, listener = rig.plane.routes["a"], rig.plane._listeners["l"]
    rig.plane.retire()
    for _ in range(2):
        rig.apply(replace(_route("a", "l"), kind="tcp"))
    assert listener.closed
    assert route.spec.unavailable == "the route was removed"
    assert rig.plane.stats().snapshot == 3


def test_a_removed_route_is_gone_from_the_numbers(rig: Rig) -> None:
    rig.apply(_route("a"), _route("b"))
    assert rig.plane.stats().routes.keys() == {"a", "b"}
    rig.apply(_route("b"))
    assert rig.plane.stats().routes.keys() == {"b"}
    assert rig.plane.stats().snapshot == 2


def finished(rig: Rig, status: int, took: float) -> ClientConnection:
    """A client connection at the end of an exchange on route "a"."""
    exchange = SimpleNamespace(
        route=rig.plane.routes["a"],
        status=status,
        started=rig.plane.reactor.now - took,
        bytes_up=3,
        bytes_down=5,
        request=UNREADABLE,
        request_id=b"7f-1",
        label=b'"caller":"uid:1000"',
        accepted_at=0.0,
        first=b"",
        reason="",
        detail="",
        first_byte_at=0.0,
        via=None,
        reused=False,
        replayed=False,
        token_refreshed=False,
    )
    return cast("ClientConnection", exchange)


@sources_only
def test_finished_requests_are_counted_by_status_and_duration(rig: Rig) -> None:
    rig.apply(_route("a"), _route("b"))
    rig.plane.reactor.now = 64.0  # so that durations below are exact
    for status, took in ((200, 0.0), (200, 0.25), (502, 0.375), (0, 10.0), (101, 11.0)):
        rig.plane.record(finished(rig, status, took))
    stats = rig.plane.stats().routes["a"]
    assert stats.requests == {"200": 2, "502": 1, "499": 1, "101": 1}
    assert stats.duration_buckets == {"0.005": 1, "0.25": 1, "0.5": 1, "10.0": 1, "+Inf": 1}
    assert (stats.duration_sum_s, stats.bytes_up, stats.bytes_down) == (21.625, 15, 25)
    assert rig.plane.stats().routes["b"].requests == {}
    rig.plane.record(finished(rig, 200, 0.0))
    stats = rig.plane.stats().routes["a"]
    assert (stats.requests["200"], stats.duration_buckets["0.005"]) == (3, 2)


def test_limits_are_those_of_the_last_snapshot(rig: Rig) -> None:
    rig.apply()
    rig.apply()
    assert rig.plane.limits.max_connections == 2


class Domino:
    """A connection whose end ends another one."""

    def __init__(self) -> None:
        self.closed = False
        self.retired = 0
        self.other: Domino | None = None

    def retire(self, *, force: bool) -> None:
        self.retired += 1
        self.closed = True
        if self.other is not None:
            self.other.closed = True


@sources_only
def test_what_the_end_of_another_ended_is_not_ended_again(rig: Rig) -> None:
    one, two = Domino(), Domino()
    one.other, two.other = two, one
    rig.plane.clients = cast("Any", {one, two})
    rig.plane.force()
    assert one.retired + two.retired == 1
    rig.plane.clients = set()


def test_request_ids_are_unique_across_planes() -> None:
    planes = [Rig().plane for _ in range(2)]
    ids = [plane.next_request_id() for plane in planes for _ in range(100)]
    assert len(set(ids)) == 200
    assert all(re.fullmatch(rb"[0-9a-f]{10}-[0-9a-f]+", request_id) for request_id in ids)
    for plane in planes:
        plane.reactor._poller.close()  # type: ignore[attr-defined]
