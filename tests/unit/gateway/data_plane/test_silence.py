"""When a silent stream gets its comment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from gateway.data_plane.client import ClientConnection
from gateway.data_plane.event_edges import EventEdges
from gateway.data_plane.silence import COMMENT, WatchedStream
from gateway.data_plane.upstream import UpstreamConnection
from gateway.data_plane.wire.edited import chunk
from tests.compiled import sources_only

pytestmark = sources_only


@dataclass
class Clock:
    now: float = 100.0


@dataclass
class Client:
    reactor: Clock = field(default_factory=Clock)
    closed: bool = False
    out: bytes = b""
    bytes_down: int = 0
    got: list[bytes] = field(default_factory=list)

    def relay(self, data: bytes) -> None:
        self.got.append(data)


@dataclass
class Upstream:
    goes_on: bool = True

    def carries(self, edges: EventEdges) -> bool:
        return self.goes_on


class Stream:
    def __init__(self) -> None:
        self.client = Client()
        self.upstream = Upstream()
        self.edges = EventEdges()
        self.watched = WatchedStream(
            cast("ClientConnection", self.client),
            cast("UpstreamConnection", self.upstream),
            self.edges,
            limit_s=3.0,
        )

    def comments_until(self, last: int) -> list[int]:
        """The seconds at which one was sent."""
        before = int(self.client.reactor.now)
        sent = []
        for now in range(before + 1, last + 1):
            self.client.reactor.now = now
            count = len(self.client.got)
            assert self.watched.on_tick(now)
            sent += [now] if len(self.client.got) > count else []
        return sent


def test_each_time_after_so_many_silent_seconds() -> None:
    stream = Stream()
    assert stream.comments_until(110) == [103, 106, 109]
    assert set(stream.client.got) == {chunk(COMMENT)}
    assert stream.client.bytes_down == 3 * len(chunk(COMMENT))


def test_an_event_begins_the_wait_anew() -> None:
    stream = Stream()
    assert stream.comments_until(102) == []
    stream.edges.feed(b"data: 1\n\n")
    assert stream.comments_until(107) == [106]


def test_none_within_an_event() -> None:
    stream = Stream()
    stream.edges.feed(b"data: 1\n")
    assert stream.comments_until(110) == []
    stream.edges.feed(b"\n")
    assert stream.comments_until(114) == [114]


def test_none_for_a_client_that_has_not_taken_what_came_before() -> None:
    stream = Stream()
    stream.client.out = b"data"
    assert stream.comments_until(110) == []
    stream.client.out = b""
    assert stream.comments_until(112) == [111]


def test_the_watch_ends_with_the_response_or_the_client() -> None:
    stream = Stream()
    stream.upstream.goes_on = False
    assert not stream.watched.on_tick(200.0)
    stream.upstream.goes_on = True
    stream.client.closed = True
    assert not stream.watched.on_tick(200.0)
    assert stream.client.got == []
