"""A client's readiness while nothing is read from it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.data_plane.caller import Caller
from gateway.data_plane.client import ClientConnection, ClientState
from gateway.data_plane.downstream import Accepted
from gateway.data_plane.listener import Listener
from gateway.data_plane.plane import DataPlane
from gateway.data_plane.reactor import ERROR, HANGUP, PEER_CLOSED, READ
from gateway.data_plane.route import Route
from gateway.data_plane.stream import PlainStream
from gateway.ipc.snapshot import ListenerSpec, RouteSpec, TlsSpec, UpstreamSpec

UPSTREAM = UpstreamSpec(authority="up", addresses=(), resolve_error="")
TLS = TlsSpec(server_name="", peers=(), bundle_pem="")


@pytest.fixture
def client() -> Iterator[ClientConnection]:
    plane = DataPlane(lambda event, **fields: None)
    route = Route(
        plane,
        RouteSpec(
            name="planner",
            listeners=(),
            upstream=UPSTREAM,
            tls=TLS,
            pass_headers=(),
            headers=(),
            redact=(),
            unavailable="",
        ),
    )
    spec = ListenerSpec(id="l", address="l", hosts=(), origins=())
    listener = Listener(plane, spec, socket.create_server(("127.0.0.1", 0)), route)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    accepted = Accepted(PlainStream(ours), ours.fileno(), Caller(plane.own_uid))
    made = ClientConnection(plane, listener, accepted)
    plane.clients.add(made)
    yield made
    made.close()
    theirs.close()
    listener.close()
    plane.reactor._poller.close()  # type: ignore[attr-defined]


def test_bytes_that_came_before_a_pause_do_not_end_it(client: ClientConnection) -> None:
    """Readiness may be reported in the same turn in which reading is paused."""
    client.state = ClientState.WAITING
    client.pause()
    client.on_event(READ)
    assert not client.closed


@pytest.mark.parametrize("readiness", [PEER_CLOSED, HANGUP, ERROR, READ | PEER_CLOSED])
def test_a_client_that_leaves_during_a_pause_is_noticed(
    client: ClientConnection, readiness: int
) -> None:
    client.pause()
    client.on_event(readiness)
    assert client.closed
    assert client not in client.plane.clients
