"""Heads that are too large or no HTTP are refused with 400, and the connection closed."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, answering, echo

MOST = 65_536


def test_the_largest_head_passes(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    room = MOST - len(client.head("/", "X: "))
    client.send(client.head("/", "X: " + "y" * room))
    assert client.read_response().status == 200


@pytest.mark.parametrize("extra", [1, MOST])
def test_a_larger_one_does_not(lab: StartLab, extra: int) -> None:
    here = lab(answering(echo))
    client = here.connect()
    room = MOST - len(client.head("/", "X: "))
    client.send(client.head("/", "X: " + "y" * (room + extra)))
    assert client.read_response().status == 400
    assert client.ended()
    assert here.upstream.requests == []


def test_a_head_without_end_does_not_grow_the_worker(lab: StartLab) -> None:
    here = lab(answering(echo))
    before = here.worker.memory()
    client = here.connect()
    client.send(b"GET / HTTP/1.1\r\nX: " + b"y" * MOST * 4)
    assert client.read_response().status == 400
    assert here.worker.memory() - before < 2 << 20


def test_a_response_head_without_end_is_refused(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * MOST * 2)
        conversation.wait_gone()

    answer = lab(script).connect().get()
    assert answer.status == 502
    assert b'"stage": "response"' in answer.body


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET /\r\n\r\n",
    ],
)
def test_no_http(lab: StartLab, junk: bytes) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(junk)
    assert client.read_response().status == 400
    assert client.ended()
    assert here.upstream.accepted == 0


def test_empty_lines_before_a_request_are_skipped(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(client.post_bytes(b"a") + b"\r\n" + client.post_bytes(b"b"))
    assert [client.read_response().body for _ in range(2)] == [b"a", b"b"]
    client.send(b"\r")
    assert client.is_quiet(0.02)
    client.send(b"\n" + client.head())
    assert client.read_response().status == 200
