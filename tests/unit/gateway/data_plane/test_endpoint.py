"""What happens to the addresses of an upstream as snapshots and results come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.data_plane.balance import BASE_S, FAILURES, Address
from gateway.data_plane.downstream import Downstream
from gateway.data_plane.endpoint import Endpoint, Endpoints
from gateway.data_plane.failure import Failure
from gateway.data_plane.plane import DataPlane
from gateway.data_plane.route import Route
from gateway.data_plane.upstream import UpstreamConnection
from gateway.data_plane.wire.request import RAW
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from tests.compiled import sources_only
from tests.fakes.routes import header_rules, route_spec

A: Address = ("192.0.2.1", 443)
B: Address = ("192.0.2.2", 443)
V6: Address = ("2001:db8::1", 443)
UNREACHABLE = Failure("unreachable", "connecting failed")


class Rig:
    """A route, and what it told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.plane = DataPlane(lambda _event, **fields: self.told.append(fields["message"]))
        self.spec = route_spec(affinity="Mcp-Session-Id")
        self.route = Route(self.plane, self.spec)

    @property
    def endpoints(self) -> Endpoints:
        return self.route.endpoints

    def update(
        self, *addresses: Address, alternatives: tuple[Address, ...] = (), **changes: Any
    ) -> None:
        upstream = replace(self.spec.upstream, addresses=addresses, alternatives=alternatives)
        self.route.spec = replace(self.spec, upstream=upstream, **changes)
        self.endpoints.update(self.route.spec)

    def at(self, address: Address) -> Endpoint:
        return next(endpoint for endpoint in self.endpoints if endpoint.address == address)

    def addresses(self) -> list[Address]:
        return [endpoint.address for endpoint in self.endpoints]

    def choose(self) -> Address:
        endpoint = self.endpoints.choose(CLIENT)
        assert endpoint is not None
        return endpoint.address


CLIENT = cast("Downstream", SimpleNamespace(request=RAW))


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.plane.reactor._poller.close()  # type: ignore[attr-defined]


class Idle:
    """A connection of the pool's."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.retired = ""
        endpoint.connections.add(cast("UpstreamConnection", self))
        endpoint.idle.append(cast("UpstreamConnection", self))

    def retire(self, reason: str) -> None:
        self.retired = reason


def answer(status: int, *, stream: bool = False) -> ResponseHead:
    kind = "text/event-stream" if stream else "text/plain"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n\r\n".encode()
    return parse_response_head(
        head, method=b"POST", client_minor=1, trailers=header_rules().trailers
    )


def test_how_addresses_are_written() -> None:
    assert str(Endpoint(A)) == "192.0.2.1:443"
    assert str(Endpoint(V6)) == "[2001:db8::1]:443"
    assert str(Endpoint(("/run/agent.sock", 0))) == "unix:/run/agent.sock"


@sources_only
def test_with_one_address_there_is_nothing_to_choose(rig: Rig) -> None:
    rig.update(A)
    assert rig.endpoints.only is rig.at(A)
    assert not rig.at(A).rivals
    assert rig.endpoints.others(rig.at(A)) == []
    rig.update(A, B)
    assert rig.endpoints.only is None
    assert rig.at(A).rivals
    assert rig.endpoints.others(rig.at(A)) == [rig.at(B)]
    rig.update()
    assert rig.endpoints.only is None
    assert rig.endpoints.choose(CLIENT) is None


@sources_only
def test_of_two_families_one_is_used_and_the_other_is_there_for_its_failure(rig: Rig) -> None:
    rig.update(V6, alternatives=(A, B))
    assert rig.endpoints.only is rig.at(V6)
    assert not rig.at(V6).rivals
    assert rig.endpoints.others(rig.at(V6)) == [rig.at(A), rig.at(B)]
    rig.endpoints.not_reached(rig.at(V6), UNREACHABLE)
    rig.endpoints.reached(rig.at(A))
    assert rig.endpoints.only is None
    assert [rig.choose(), rig.choose()] == [A, B]
    assert rig.told == [], "nobody is at fault"
    rig.endpoints.reached(rig.at(V6))
    assert rig.endpoints.only is rig.at(V6)


@sources_only
def test_who_carries_less_is_next_and_idle_connections_are_no_load(rig: Rig) -> None:
    rig.update(A, B)
    Idle(rig.at(A))
    rig.at(B).connections.add(cast("UpstreamConnection", object()))
    assert (rig.at(A).busy, rig.at(B).busy) == (0, 1)
    assert [rig.choose() for _ in range(3)] == [A, A, A]


@sources_only
def test_a_vanished_address_loses_its_idle_connections_and_is_forgotten_with_the_last(
    rig: Rig,
) -> None:
    rig.update(A, B)
    gone, idle = rig.at(A), Idle(rig.at(A))
    rig.update(B)
    assert (gone.gone, idle.retired, gone.idle) == (True, "address_gone", [])
    assert rig.addresses() == [A, B], "something is in flight there"
    assert rig.endpoints.only is rig.at(B)
    rig.update(A, B)
    assert rig.at(A) is gone
    assert not gone.gone
    gone.connections.clear()
    rig.update(B)
    assert rig.addresses() == [B]


@sources_only
def test_an_ejection_is_counted_and_told_and_so_is_its_end(rig: Rig) -> None:
    rig.update(A, B)
    rig.endpoints.not_reached(rig.at(A), UNREACHABLE)
    assert rig.endpoints.ejected == {"192.0.2.1:443": 1, "192.0.2.2:443": 0}
    assert rig.route.stats.ejections == {"unreachable": 1}
    assert [rig.choose() for _ in range(3)] == [B, B, B]
    rig.plane.reactor.now += BASE_S
    assert rig.choose() == A
    rig.endpoints.completed(rig.at(A), answer(200))
    assert rig.endpoints.ejected == {"192.0.2.1:443": 0, "192.0.2.2:443": 0}
    assert rig.told == [
        "planner: 192.0.2.1:443 is left out for 10 s: connecting failed",
        "planner: 192.0.2.1:443 is used again",
    ]


@pytest.mark.parametrize(
    ("failure", "times"),
    [(UNREACHABLE, 1), (Failure("certificate_refused", "revoked"), FAILURES)],
    ids=["the address is at fault", "we may be"],
)
def test_how_many_dials_may_fail(rig: Rig, failure: Failure, times: int) -> None:
    rig.update(A, B)
    for number in range(1, times + 1):
        rig.endpoints.not_reached(rig.at(A), failure)
        assert rig.endpoints.ejected["192.0.2.1:443"] == (number == times)


def test_what_says_nothing_of_the_address(rig: Rig) -> None:
    rig.update(A, B)
    for _ in range(2 * FAILURES):
        rig.endpoints.not_reached(rig.at(A), Failure("identity_expired", ""))
        rig.endpoints.broke(rig.at(A), Failure("certificate_ended", ""))
        rig.endpoints.completed(rig.at(A), answer(404))
    assert set(rig.endpoints.ejected.values()) == {0}


def test_a_stream_that_has_begun_is_a_success_and_a_plain_answer_not_yet(rig: Rig) -> None:
    rig.update(A, B)
    rig.endpoints.not_reached(rig.at(A), UNREACHABLE)
    rig.endpoints.answered(rig.at(A), RAW, answer(200))
    assert rig.endpoints.ejected["192.0.2.1:443"] == 1
    rig.endpoints.answered(rig.at(A), RAW, answer(200, stream=True))
    assert rig.endpoints.ejected["192.0.2.1:443"] == 0


@pytest.mark.parametrize(("kind", "out"), [("http", 1), ("tcp", 0)])
def test_a_connection_is_a_success_where_no_more_will_be_known(
    rig: Rig, kind: str, out: int
) -> None:
    rig.update(A, B, kind=kind)
    rig.endpoints.not_reached(rig.at(A), UNREACHABLE)
    rig.endpoints.reached(rig.at(A))
    assert rig.endpoints.ejected["192.0.2.1:443"] == out


def test_an_upstream_that_closes_idle_connections_is_told_of_once(rig: Rig) -> None:
    rig.update(A)
    rig.endpoints.keep_idle(50.0)
    for _ in range(4):
        rig.plane.reactor.now += 10.0
        rig.endpoints.closed_idle(rig.at(A), 5.0)
    assert rig.at(A).idle_limit.seconds == 4.0
    assert rig.told == [
        "planner: 192.0.2.1:443 closes idle connections after 5.0 s: they are kept for 4.0 s now"
    ]
