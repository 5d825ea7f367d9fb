from __future__ import annotations

from collections.abc import Iterable
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.data_plane.plane import DataPlane
from gateway.data_plane.room import Room
from gateway.ipc.snapshot import LimitsSpec
from tests.compiled import sources_only

pytestmark = sources_only


class Client:
    """As much of a connection as is looked at."""

    def __init__(self, clients: set[Any], idle_since: float) -> None:
        self._clients = clients
        self.idle_since = idle_since
        self.closed = False
        self.route = SimpleNamespace(note_rejected=lambda rule: None)
        clients.add(self)

    def close(self) -> None:
        self.closed = True
        self._clients.discard(self)


class Rig:
    """A plane's connections, limits and clock."""

    def __init__(self, limits: LimitsSpec) -> None:
        self.clients: set[Any] = set()
        self.reactor = SimpleNamespace(now=100.0)
        self.connections: list[int] = []
        route = SimpleNamespace(pool=SimpleNamespace(connections=self.connections))
        plane = SimpleNamespace(
            clients=self.clients,
            arrivals={},
            limits=limits,
            reactor=self.reactor,
            routes={"planner": route},
        )
        self.room = Room(cast("DataPlane", plane))

    def add(self, *idle_since: float) -> list[Client]:
        return [Client(self.clients, since) for since in idle_since]


@pytest.fixture
def rig() -> Rig:
    return Rig(LimitsSpec(max_connections=4, max_buffered_bytes=1000))


def closed(clients: Iterable[Client]) -> list[bool]:
    return [client.closed for client in clients]


def test_below_the_limits_everybody_is_welcome(rig: Rig) -> None:
    rig.add(inf, 1.0, 2.0)
    assert rig.room.refusal(20) == ""
    assert len(rig.clients) == 3


def test_whoever_is_idle_longest_makes_room(rig: Rig) -> None:
    clients = rig.add(inf, 5.0, 3.0, 4.0)
    assert rig.room.refusal(20) == ""
    assert closed(clients) == [False, False, True, False]


def test_a_crowd_makes_room_for_several_at_once() -> None:
    rig = Rig(LimitsSpec(max_connections=400))
    clients = rig.add(*map(float, range(400)))
    assert rig.room.refusal(20) == ""
    assert closed(clients) == [True] * 32 + [False] * 368


def test_with_all_busy_it_is_refused_and_not_searched_for_each_newcomer(rig: Rig) -> None:
    busy = rig.add(inf, inf, inf, inf)
    assert "max_connections" in rig.room.refusal(20)
    busy[0].idle_since = 1.0
    assert "max_connections" in rig.room.refusal(20)
    rig.reactor.now += 0.2
    assert rig.room.refusal(20) == ""


def test_each_caller_can_be_given_an_upstream(rig: Rig) -> None:
    usable = rig.room._descriptors
    busy, *_ = rig.add(inf, inf, inf)
    assert rig.room.refusal(usable - 4) == ""
    assert "descriptors" in rig.room.refusal(usable - 3)
    assert not rig.room.may_linger(usable - 3)
    rig.connections += [1, 2]
    assert rig.room.refusal(usable - 2) == "", "two of them have one already"
    busy.idle_since = 1.0
    rig.reactor.now += 1
    assert rig.room.refusal(usable) == "", "one has gone to make room"


def test_too_much_that_waits_is_a_reason(rig: Rig) -> None:
    rig.room.buffered = 999
    assert rig.room.refusal(20) == rig.room.crowded == ""
    rig.room.buffered = 1000
    assert "max_buffered_bytes" in rig.room.refusal(20)


def test_the_refused_take_no_room_from_others_and_are_not_many(rig: Rig) -> None:
    rig.add(inf, inf, inf)
    for refused in rig.add(*[inf] * 64):
        assert rig.room.may_linger(20)
        rig.room.linger(cast("Any", refused))
    assert rig.room.refusal(20) == ""
    assert not rig.room.may_linger(20)
    refused.close()
    assert rig.room.refusal(20) == ""
    assert rig.room.may_linger(20)
