"""Bytes behind the end of a response end the connection and are delivered to nobody."""

from __future__ import annotations

import threading

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, Received, answering, response

EVIL = response(b"evil")


def _honest(received: Received) -> bytes:
    return response(received.target.encode())


def test_a_second_response_in_the_same_record(lab: StartLab) -> None:
    here = lab(answering(lambda received: _honest(received) + EVIL))
    for number in range(5):
        with here.worker.connect() as client:
            assert client.get(f"/{number}").body == b"/%d" % number
    assert here.upstream.accepted == 5


def test_a_second_response_while_another_request_is_pipelined(lab: StartLab) -> None:
    here = lab(answering(lambda received: _honest(received) + EVIL))
    client = here.connect()
    client.send(b"".join(client.head(f"/{n}") for n in range(5)))
    assert [client.read_response().body for _ in range(5)] == [b"/%d" % n for n in range(5)]
    assert client.is_quiet(0.02)


def test_a_response_that_comes_while_the_connection_waits_in_the_pool(lab: StartLab) -> None:
    sent = threading.Event()

    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        conversation.send(_honest(received))
        if conversation.number == 1:
            conversation.send(EVIL)
        sent.set()
        conversation.wait_gone()

    here = lab(script)
    assert here.connect().get("/a").body == b"/a"
    assert sent.wait(5)
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    assert here.connect().get("/b").body == b"/b"
    assert here.worker.stats().retired.keys() <= {"unexpected_data", "excess_data"}


@pytest.mark.parametrize("length", ["Content-Length: 3", "Transfer-Encoding: chunked"])
def test_junk_behind_a_body(lab: StartLab, length: str) -> None:
    body = b"3\r\nabc\r\n0\r\n\r\n" if "chunked" in length else b"abc"
    answer = b"HTTP/1.1 200 OK\r\n" + length.encode() + b"\r\n\r\n" + body + b"junk"
    here = lab(answering(lambda _: answer))
    client = here.connect()
    for _ in range(3):
        assert client.get().body == b"abc"
    assert here.upstream.accepted == 3


def test_the_rest_of_a_vanished_client_s_answer_reaches_nobody(lab: StartLab) -> None:
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        received = conversation.read_head()
        assert received is not None
        if received.target == "/gone":
            assert go.wait(5)
            conversation.send(EVIL)
        else:
            conversation.send(_honest(received))
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    client.send(client.head("/gone", "Content-Length: 100", method="POST") + b"half")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    client.close()
    other = here.connect()
    other.send(other.head("/other"))
    go.set()
    assert other.read_response().body == b"/other"
    assert here.upstream.accepted == 2
