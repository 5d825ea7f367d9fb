"""The readiness loop, the same on every poller."""

from __future__ import annotations

import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.data_plane.reactor import (
    READ,
    WRITE,
    Poller,
    Reactor,
    SelectorPoller,
    system_poller,
)

POLLERS: dict[str, Callable[[], Poller]] = {
    "system": system_poller,
    "default selector": SelectorPoller,
    "poll": lambda: SelectorPoller(selectors.PollSelector()),
    "select": lambda: SelectorPoller(selectors.SelectSelector()),
}


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made = POLLERS[request.param]()
    yield made
    if isinstance(made, select.epoll):
        made.close()
    elif isinstance(made, SelectorPoller):
        made._selector.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def _nothing() -> None:
    pass


def test_readable_and_writable_are_told(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = Reactor(poller, _nothing)
    ours, theirs = pair
    seen: list[int] = []

    def on_event(readiness: int) -> None:
        seen.append(readiness)
        if len(seen) == 1:
            theirs.send(b"x")
            reactor.modify(ours.fileno(), READ)
        else:
            reactor.stop()

    reactor.add(ours.fileno(), READ | WRITE, on_event)
    reactor.run()
    assert seen == [WRITE, READ]


def test_a_descriptor_may_be_watched_for_nothing(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = Reactor(poller, lambda: reactor.stop(), tick_s=0.05)  # noqa: PLW0108 - not bound yet
    ours, theirs = pair
    theirs.send(b"x")
    seen: list[int] = []
    reactor.add(ours.fileno(), READ, seen.append)
    reactor.modify(ours.fileno(), 0)
    reactor.run()
    assert seen == []
    reactor.modify(ours.fileno(), READ)
    assert poller.poll(1.0) == [(ours.fileno(), READ)]


def test_a_descriptor_removed_in_the_same_turn_is_not_called(poller: Poller) -> None:
    reactor = Reactor(poller, _nothing)
    pairs = [socket.socketpair() for _ in range(3)]
    called: list[int] = []

    def on_event(_readiness: int) -> None:
        called.append(1)
        for ours, _ in pairs:
            reactor.remove(ours.fileno())
        reactor.stop()

    for ours, theirs in pairs:
        reactor.add(ours.fileno(), READ, on_event)
        theirs.send(b"x")
    reactor.run()
    assert called == [1]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_what_is_known_of_a_descriptor_is_not_told_of_the_next_one_with_its_number(
    poller: Poller,
) -> None:
    reactor = Reactor(poller, _nothing)
    pairs = [socket.socketpair() for _ in range(2)]
    fresh: list[socket.socket] = []
    told: list[int] = []

    def on_event(_readiness: int) -> None:
        for ours, _ in pairs:
            number = ours.fileno()
            reactor.remove(number)
            ours.close()
            fresh.append(socket.socket())
            assert fresh[-1].fileno() == number
            reactor.add(number, 0, told.append)
        reactor.stop()

    for ours, theirs in pairs:
        reactor.add(ours.fileno(), READ, on_event)
        theirs.send(b"x")
    reactor.run()
    assert told == []
    for sock in (*fresh, *(theirs for _, theirs in pairs)):
        sock.close()


def test_removing_twice_is_harmless(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = Reactor(poller, _nothing)
    for mask in (READ, 0):
        reactor.add(pair[0].fileno(), mask, lambda _: None)
        reactor.remove(pair[0].fileno())
        reactor.remove(pair[0].fileno())


def test_ticks_come_beside_traffic(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A socket that is always ready must not keep deadlines from being looked at."""
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            reactor.stop()

    reactor = Reactor(poller, tick, tick_s=0.03)
    reactor.add(pair[0].fileno(), WRITE, lambda _: None)
    start = time.monotonic()
    reactor.run()
    assert 0.08 < time.monotonic() - start < 1.0
    assert ticks[0] - start >= 0.03


def test_now_is_the_time_of_the_turn(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = Reactor(poller, _nothing)
    before = time.monotonic()

    def on_event(_readiness: int) -> None:
        assert before <= reactor.now <= time.monotonic()
        reactor.stop()

    reactor.add(pair[0].fileno(), WRITE, on_event)
    reactor.run()


def test_a_callback_that_raises_ends_the_loop(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = Reactor(poller, _nothing)

    def on_event(_readiness: int) -> None:
        raise RuntimeError("unknown state")

    reactor.add(pair[0].fileno(), WRITE, on_event)
    with pytest.raises(RuntimeError, match="unknown state"):
        reactor.run()


class _Held:
    """Writes once, and may have another write then."""

    def __init__(self, written: list[str], name: str, then: Callable[[], None] = _nothing) -> None:
        self._written = written
        self._name = name
        self._then = then

    def write_held(self) -> None:
        self._written.append(self._name)
        self._then()


def test_what_a_turn_holds_back_is_written_when_all_of_it_is_served(poller: Poller) -> None:
    reactor = Reactor(poller, _nothing)
    pairs = [socket.socketpair() for _ in range(3)]
    seen: list[str] = []
    last = _Held(seen, "because of a write")

    def on_event(_readiness: int) -> None:
        seen.append("event")
        reactor.writers.append(_Held(seen, "write", lambda: reactor.writers.append(last)))
        reactor.stop()

    for ours, theirs in pairs:
        reactor.add(ours.fileno(), READ, on_event)
        theirs.send(b"x")
    reactor.run()
    assert seen == ["event"] * 3 + ["write"] * 3 + ["because of a write"] * 3
    assert reactor.writers == []
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_a_crowded_turn_writes_before_its_end(poller: Poller) -> None:
    reactor = Reactor(poller, _nothing)
    pairs = [socket.socketpair() for _ in range(70)]
    seen: list[str] = []

    def on_event(_readiness: int) -> None:
        seen.append("event")
        reactor.writers.append(_Held(seen, "write"))
        reactor.stop()

    for ours, theirs in pairs:
        reactor.add(ours.fileno(), READ, on_event)
        theirs.send(b"x")
    reactor.run()
    assert seen == ["event"] * 64 + ["write"] * 64 + ["event"] * 6 + ["write"] * 6
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_the_tick_finds_nothing_held_back_and_leaves_nothing(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    seen: list[str] = []

    def tick() -> None:
        seen.append("tick")
        reactor.writers.append(_Held(seen, "write of the tick"))
        reactor.stop()

    def on_event(_readiness: int) -> None:
        if not seen:
            time.sleep(0.01)
        seen.append("event")
        reactor.writers.append(_Held(seen, "write"))

    reactor = Reactor(poller, tick, tick_s=0.01)
    reactor.add(pair[0].fileno(), WRITE, on_event)
    reactor.run()
    assert seen[-4:] == ["event", "write", "tick", "write of the tick"]
