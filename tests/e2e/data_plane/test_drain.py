"""A drain closes what is idle, lets what is busy finish, and cuts the rest at its deadline."""

from __future__ import annotations

import json
import threading

import pytest

from gateway.ipc.frames import Kind
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, Script, fixed, response


def _gated(go: threading.Event) -> Script:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_head()) is not None:
            received.body = b"".join(conversation.read_body(received))
            if received.target == "/busy":
                assert go.wait(5)
            conversation.send(response(received.body or b"done"))

    return script


def test_idle_connections_close_and_busy_ones_finish(lab: StartLab) -> None:
    go = threading.Event()
    here = lab(_gated(go))
    idle, busy, uploading = here.connect(), here.connect(), here.connect()
    assert idle.get().status == 200
    busy.send(busy.head("/busy"))
    uploading.send(uploading.head("/", "Content-Length: 4", method="POST") + b"ab")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 3)
    here.worker.drain(10)
    assert idle.ended()
    uploading.send(b"cd")
    assert uploading.read_response().body == b"abcd"
    go.set()
    answer = busy.read_response()
    assert (answer.body, answer.field("Connection")) == (b"done", "close")
    assert here.worker.wait_exit() == 0
    here.worker.wait_for(lambda frames: frames[-1][0] is Kind.DRAINED)
    assert json.loads(here.worker.frames(Kind.DRAINED)[0]) == {"forced": 0}
    assert len(b"".join(here.worker.frames(Kind.ACCESS)).splitlines()) == 3


def test_an_idle_worker_ends_at_once(lab: StartLab) -> None:
    here = lab(fixed(response()))
    here.connect().get()
    here.worker.drain(10)
    assert here.worker.wait_exit() == 0


def test_an_answer_that_is_still_being_taken_is_not_cut(lab: StartLab) -> None:
    size = 3 << 20
    here = lab(fixed(response(bytes(size))))
    client = here.connect(receive_buffer=16_384)
    client.send(client.head())
    client.read_head()
    here.worker.wait_for(lambda _: here.worker.stats().bytes_down > 0)
    here.worker.drain(10)
    assert len(client.read_exactly(size)) == size
    assert client.ended()
    assert here.worker.wait_exit() == 0


def test_the_deadline_cuts_what_is_left(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        if received.target == "/stream":
            conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        elif received.target == "/old":
            conversation.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        conversation.wait_gone()

    here = lab(script)
    stream, old, waiting = here.connect(), here.connect(), here.connect()
    stream.send(stream.head("/stream"))
    assert stream.read_until(b"abc")
    old.send(old.head("/old", minor=0))
    assert old.read_until(b"abc")
    waiting.send(waiting.head("/waiting"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 3)
    here.worker.drain(0.1)
    answer = waiting.read_response()
    assert (answer.status, json.loads(answer.body)["title"]) == (
        503,
        "the gateway is shutting down",
    )
    with pytest.raises((Truncated, ConnectionResetError)):
        stream.read_until(b"never")
    with pytest.raises(ConnectionResetError):
        old.read_to_end()
    assert here.worker.wait_exit() == 0
    here.worker.wait_for(lambda frames: frames[-1][0] is Kind.DRAINED)
    assert json.loads(here.worker.frames(Kind.DRAINED)[0]) == {"forced": 3}


def test_new_connections_are_not_accepted(lab: StartLab) -> None:
    go = threading.Event()
    here = lab(_gated(go))
    busy = here.connect()
    busy.send(busy.head("/busy"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.worker.drain(10)
    here.worker.stats()  # the drain came before it
    with pytest.raises(ConnectionRefusedError):
        here.connect()
    go.set()
    assert busy.read_response().status == 200
