"""Requests are spread over an upstream's addresses, to the one that carries least."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fakes.authority import Authority
from tests.fakes.fleet import Fleet
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, answering, digest, response

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


def _streaming(conversation: Conversation) -> None:
    while (received := conversation.read_request()) is not None:
        if received.target != "/stream":
            conversation.send(response(b"ok"))
            continue
        conversation.send(STREAM)
        conversation.wait_gone()


def _begin_stream(client: RawClient) -> None:
    client.send(client.head("/stream"))
    client.read_head()
    client.read_chunk()


def test_each_gets_its_share_over_connections_that_are_kept(authority: Authority) -> None:
    with Fleet(authority, [answering(digest)] * 3) as fleet:
        client = fleet.connect()
        assert fleet.posts(client, 12) == {200: 12}
        assert [len(upstream.requests) for upstream in fleet.upstreams] == [4, 4, 4]
        assert [upstream.accepted for upstream in fleet.upstreams] == [1, 1, 1]
        fleet.assert_once()


def test_one_that_is_busy_is_passed_by(authority: Authority) -> None:
    with Fleet(authority, [_streaming, _streaming]) as fleet:
        streaming = fleet.connect()
        _begin_stream(streaming)
        assert fleet.posts(fleet.connect(), 6) == {200: 6}
        counts = Counter(len(upstream.requests) for upstream in fleet.upstreams)
        assert counts == {1: 1, 6: 1}, "the stream alone, and all the rest"


def test_streams_are_spread(authority: Authority) -> None:
    with Fleet(authority, [_streaming] * 3) as fleet:
        for _ in range(6):
            _begin_stream(fleet.connect())
        assert [len(upstream.requests) for upstream in fleet.upstreams] == [2, 2, 2]


def test_the_other_family_of_a_name_is_for_when_the_first_is_not_reached(
    authority: Authority,
) -> None:
    with Fleet(authority, [answering(digest)] * 2) as fleet:
        first, second = [("127.0.0.1", upstream.port) for upstream in fleet.upstreams]
        fleet.worker.change(upstream={"addresses": (first,), "alternatives": (second,)})
        client = fleet.connect()
        assert fleet.posts(client, 4) == {200: 4}
        assert len(fleet.upstreams[1].requests) == 0
        fleet.worker.change(upstream={"addresses": (("::1", 9),), "alternatives": (second,)})
        assert fleet.posts(client, 4) == {200: 4}
        assert len(fleet.upstreams[1].requests) == 4
        assert fleet.worker.stats().ejections == {}, "nobody is at fault"


@pytest.mark.parametrize("before", [1, 2])
def test_a_vanished_address_gets_no_new_request(authority: Authority, before: int) -> None:
    with Fleet(authority, [_streaming] * 3) as fleet:
        old, *others = [("127.0.0.1", upstream.port) for upstream in fleet.upstreams]
        fleet.worker.change(upstream={"addresses": (old, *others)[:before]})
        streams = [fleet.connect() for _ in range(2)]
        for client in streams:
            _begin_stream(client)
        client = fleet.connect()
        fleet.posts(client, 2)
        asked = len(fleet.upstreams[0].requests)
        fleet.worker.change(upstream={"addresses": tuple(others)})
        assert fleet.worker.stats().retired == {"address_gone": 1}
        assert fleet.posts(client, 6) == {200: 6}
        assert len(fleet.upstreams[0].requests) == asked
        assert all(stream.is_quiet() for stream in streams), "what is in flight goes on"
        fleet.assert_once()
