"""Which of the kept connections the next request gets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.data_plane.dial import Dial
from gateway.data_plane.endpoint import Endpoint
from gateway.data_plane.epoch import PLAINTEXT, Epoch
from gateway.data_plane.plane import DataPlane
from gateway.data_plane.route import Route
from gateway.data_plane.upstream import UpstreamConnection
from gateway.ipc.snapshot import UpstreamSpec
from tests.fakes.routes import route_spec


class Rig:
    """A route with kept connections to a server that says nothing by itself."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        address = self._server.getsockname()
        self.plane = DataPlane(lambda event, **fields: None)
        spec = UpstreamSpec(authority="up", addresses=(address,), resolve_error="")
        self.route = Route(self.plane, route_spec(upstream=spec))
        self.route.epoch = Epoch(PLAINTEXT)
        self.theirs: list[socket.socket] = []

    def turn(self) -> None:
        """The next turn of the loop."""
        self.plane.reactor.turn += 1

    @property
    def endpoint(self) -> Endpoint:
        """The only one."""
        only = self.route.endpoints.only
        assert only is not None
        return only

    def keep(self) -> UpstreamConnection:
        """A connection that comes back from its exchange in this turn."""
        epoch = self.route.epoch
        assert epoch is not None
        dial = Dial(self.route, epoch, self.endpoint, others=(), missed=(), deadline=9.0)
        self.plane.reactor.remove(dial.fd)
        self.theirs.append(self._server.accept()[0])
        connection = UpstreamConnection(self.route, dial)
        self.route.pool.released(connection)
        return connection

    def take(self) -> UpstreamConnection | None:
        """What a request gets."""
        epoch = self.route.epoch
        assert epoch is not None
        return self.route.pool.take(self.endpoint, epoch)

    def close(self) -> None:
        """Leave no descriptor open."""
        for connection in list(self.endpoint.connections):
            connection.retire("test")
        for sock in (self._server, *self.theirs):
            sock.close()
        self.plane.reactor._poller.close()  # type: ignore[attr-defined]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_the_last_used_is_taken_first(rig: Rig) -> None:
    first, second = rig.keep(), rig.keep()
    rig.turn()
    assert [rig.take(), rig.take(), rig.take()] == [second, first, None]


def test_one_that_came_back_in_this_turn_is_the_last_choice(rig: Rig) -> None:
    """What happened to it since is not known yet: it would have to be looked at."""
    oldest, older = rig.keep(), rig.keep()
    rig.turn()
    newest = rig.keep()
    rig.theirs[-1].close()
    assert [rig.take(), rig.take()] == [older, oldest]
    assert not newest.closed
    assert rig.take() is None
    assert newest.closed


def test_one_that_came_back_in_this_turn_and_is_quiet_may_be_taken(rig: Rig) -> None:
    connection = rig.keep()
    assert rig.take() is connection


def test_one_of_another_epoch_is_never_taken(rig: Rig) -> None:
    old = rig.keep()
    rig.turn()
    rig.route.epoch = Epoch(PLAINTEXT)
    assert rig.take() is None
    assert old.closed
