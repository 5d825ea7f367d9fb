"""Pipelined requests are answered in order, and one answer never waits for unsent bytes."""

from __future__ import annotations

import threading

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Received, answering, digest, echo, response


def test_answers_come_in_order(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(b"".join(client.post_bytes(b"%d" % n) for n in range(20)))
    assert [client.read_response().body for _ in range(20)] == [b"%d" % n for n in range(20)]


def test_a_request_behind_waits_for_the_one_before_it(lab: StartLab) -> None:
    go = threading.Event()

    def answer(received: Received) -> bytes:
        if received.target == "/slow":
            assert go.wait(5)
        return response(received.target.encode())

    here = lab(answering(answer))
    client = here.connect()
    client.send(client.head("/slow") + client.head("/fast"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    assert client.is_quiet(0.05)
    assert len(here.upstream.requests) == 1
    go.set()
    assert [client.read_response().body for _ in range(2)] == [b"/slow", b"/fast"]


def test_a_refused_request_in_the_middle_is_answered_in_its_place(lab: StartLab) -> None:
    here = lab(answering(digest))
    client = here.connect()
    foreign = client.head("/b").replace(client.host.encode(), b"evil.example")
    client.send(client.head("/a") + foreign + client.head("/c"))
    assert [client.read_response().status for _ in range(3)] == [200, 421, 200]
    assert [request.target for request in here.upstream.requests] == ["/a", "/c"]


def test_a_malformed_request_in_the_middle_ends_the_connection(lab: StartLab) -> None:
    here = lab(answering(digest))
    client = here.connect()
    client.send(client.head("/a") + b"GET /b HTTP/1.1\r\nHost : x\r\n\r\n" + client.head("/c"))
    assert client.read_response().status == 200
    assert client.read_response().status == 400
    assert client.ended()
    assert [request.target for request in here.upstream.requests] == ["/a"]


def test_a_slow_reader_s_pipelined_post_survives(lab: StartLab) -> None:
    """The next request begins while the answer before it is being flushed."""
    big = bytes(8 << 20)
    here = lab(answering(lambda r: response(big if r.method == "GET" else r.body)))
    client = here.connect(receive_buffer=16_384)
    client.send(client.head("/big") + client.head("/", "Content-Length: 4", method="POST") + b"ab")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    client.send(b"cd")
    assert client.read_response().body == big
    assert client.read_response().body == b"abcd"


def test_answers_of_one_turn_are_written_together(lab: StartLab) -> None:
    """Refusals come at once; nothing but the first read's end holds them apart."""
    here = lab(answering(digest))
    client = here.connect()
    client.get()
    foreign = client.head("/").replace(client.host.encode(), b"evil.example")
    client.send(foreign * 8)
    assert client.socket.recv(65_536).count(b"HTTP/1.1 421 ") == 8


def test_pipelining_without_reading_does_not_grow_the_worker(lab: StartLab) -> None:
    here = lab(answering(lambda _: response(bytes(15_000))))
    client = here.connect(receive_buffer=16_384)
    client.get()
    before = here.worker.memory()
    client.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < 256 << 20:
            client.send(client.head("/", "X-Filler: " + "x" * 30_000) * 32)
            sent += 1 << 20
    except TimeoutError:
        pass
    assert sent < 64 << 20
    assert here.worker.memory() - before < 2 << 20
