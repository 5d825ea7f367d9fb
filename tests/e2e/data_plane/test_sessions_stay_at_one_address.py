"""Requests of one MCP session go to the address that began it, for as long as it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gateway.data_plane.balance import FAILURES
from gateway.ipc.frames import Kind
from gateway.ipc.snapshot import LimitsSpec
from tests.fakes.authority import Authority
from tests.fakes.fleet import Fleet
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Script
from tests.fakes.session_server import SessionServer

SERVERS = "abc"


@pytest.fixture
def servers() -> list[SessionServer]:
    return [SessionServer(name) for name in SERVERS]


@pytest.fixture
def fleet(authority: Authority, servers: list[SessionServer]) -> Iterator[Fleet]:
    scripts: list[Script] = [server.script for server in servers]
    with Fleet(authority, scripts) as made:
        yield made


def initialize(fleet: Fleet, client: RawClient) -> tuple[str, str]:
    """A session and the server that began it."""
    answer = fleet.post(client)
    session = answer.field("Mcp-Session-Id")
    assert session is not None
    return session, answer.body.decode()


def test_all_requests_of_a_session_reach_the_server_that_began_it(fleet: Fleet) -> None:
    client = fleet.connect()
    begun = [initialize(fleet, client) for _ in range(6)]
    assert sorted(server for _, server in begun) == sorted(SERVERS * 2)
    for _ in range(3):
        for session, server in begun:
            answer = fleet.post(fleet.connect(), f"Mcp-Session-Id: {session}")
            assert (answer.status, answer.body.decode()) == (200, server)
    fleet.assert_once()


def test_a_session_outlasts_an_overload(authority: Authority, servers: list[SessionServer]) -> None:
    """With as many connections as may be made, none is taken that leads elsewhere."""
    limits = LimitsSpec(max_upstream_connections=3)
    with Fleet(authority, [server.script for server in servers], limits=limits) as fleet:
        clients = [fleet.connect() for _ in range(9)]
        begun = [initialize(fleet, client) for client in clients]
        for _ in range(5):
            for client, (session, _) in zip(clients, begun, strict=True):
                client.send(client.post_bytes(b"{}", "/mcp", f"Mcp-Session-Id: {session}"))
            for client, (_, server) in zip(clients, begun, strict=True):
                assert client.read_response().body.decode() == server


def test_without_its_address_the_client_is_told_to_begin_anew(
    fleet: Fleet, servers: list[SessionServer]
) -> None:
    client = fleet.connect()
    session, server = initialize(fleet, client)
    stay = tuple(
        ("127.0.0.1", upstream.port)
        for upstream, other in zip(fleet.upstreams, servers, strict=True)
        if other.name != server
    )
    fleet.worker.change(upstream={"addresses": stay})
    answer = fleet.post(client, f"Mcp-Session-Id: {session}")
    assert (answer.status, answer.body) == (404, b"no such session")
    again, elsewhere = initialize(fleet, client)
    assert elsewhere != server
    assert fleet.post(client, f"Mcp-Session-Id: {again}").status == 200


def test_an_ejected_address_loses_its_sessions_and_no_other(
    fleet: Fleet, servers: list[SessionServer]
) -> None:
    client = fleet.connect()
    begun = [initialize(fleet, client) for _ in range(3)]
    broken = next(server for server in servers if server.name == begun[0][1])
    broken.broken = True
    answers = [
        fleet.post(client, f"Mcp-Session-Id: {begun[0][0]}").status for _ in range(FAILURES + 1)
    ]
    assert answers == [503] * FAILURES + [404]
    for session, server in begun[1:]:
        answer = fleet.post(client, f"Mcp-Session-Id: {session}")
        assert (answer.status, answer.body.decode()) == (200, server)


def test_a_deleted_session_is_told_and_forgotten(fleet: Fleet) -> None:
    client = fleet.connect()
    session, _ = initialize(fleet, client)
    client.send(client.head("/mcp", f"Mcp-Session-Id: {session}", method="DELETE"))
    assert client.read_response().status == 200
    fleet.worker.wait_for(lambda _: len(fleet.worker.events("session")) == 2)
    begun, ended = fleet.worker.events("session")
    assert begun["key"] == ended["key"]
    assert (begun["host"], ended["host"]) == ("127.0.0.1", "")
    assert session not in json.dumps(begun)


def test_a_worker_heeds_what_others_tell(fleet: Fleet) -> None:
    client = fleet.connect()
    session, server = initialize(fleet, client)
    fleet.worker.wait_for(lambda _: bool(fleet.worker.events("session")))
    key = fleet.worker.events("session")[0]["key"]
    elsewhere = next(
        upstream.port
        for upstream, name in zip(fleet.upstreams, SERVERS, strict=True)
        if name != server
    )
    fleet.worker.send(Kind.SESSIONS, json.dumps({key: ["127.0.0.1", elsewhere]}).encode())
    fleet.worker.change()  # applied after the frame before it
    assert fleet.post(client, f"Mcp-Session-Id: {session}").status == 404


def test_one_address_needs_no_memory(authority: Authority) -> None:
    server = SessionServer("a")
    with Fleet(authority, [server.script]) as fleet:
        client = fleet.connect()
        session, _ = initialize(fleet, client)
        assert fleet.post(client, f"Mcp-Session-Id: {session}").status == 200
        fleet.worker.stats()
        assert fleet.worker.events("session") == []


def test_the_header_can_be_another_or_none(fleet: Fleet) -> None:
    client = fleet.connect()
    fleet.worker.change(affinity="X-Thread")
    at = {fleet.post(client, "X-Thread: 7").body for _ in range(6)}
    assert len(at) == 1
    fleet.worker.change(affinity="")
    session, _ = initialize(fleet, client)
    lines = f"Mcp-Session-Id: {session}", "X-Thread: 7"
    assert {fleet.post(client, *lines).status for _ in range(3)} == {200, 404}
