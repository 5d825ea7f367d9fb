"""Heads that are too large or no HTTP are refused, and the connection closed."""

from __future__ import annotations

import pytest

from gateway.ipc.snapshot import LimitsSpec
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
    assert client.read_response().status == 431
    assert client.ended()
    assert here.upstream.requests == []


@pytest.mark.parametrize("rest", [b"", b" HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_target_that_alone_is_larger_is_said_to_be_so(lab: StartLab, rest: bytes) -> None:
    # RFC 9112 section 3.
    here = lab(answering(echo))
    client = here.connect()
    client.send(b"GET /" + b"y" * MOST + rest)
    answer = client.read_response()
    assert answer.status == 414
    assert b"target_too_long" in answer.body
    assert client.ended()
    assert here.upstream.requests == []


def test_a_head_without_end_does_not_grow_the_worker(lab: StartLab) -> None:
    here = lab(answering(echo))
    before = here.worker.memory()
    client = here.connect()
    client.send(b"GET / HTTP/1.1\r\nX: " + b"y" * MOST * 4)
    assert client.read_response().status == 431
    assert here.worker.memory() - before < 2 << 20


def test_a_response_head_without_end_is_refused(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * MOST * 2)
        conversation.wait_gone()

    answer = lab(script).connect().get()
    assert answer.status == 502
    assert b'"stage": "response"' in answer.body


@pytest.mark.parametrize("size", [1, 16_384])
def test_a_response_head_is_refused_by_its_size_however_it_comes(lab: StartLab, size: int) -> None:
    limits = LimitsSpec(max_head_bytes=2048)

    def script(conversation: Conversation) -> None:
        while (request := conversation.read_request()) is not None:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: %b\r\n\r\n"
            room = 2048 - len(head % b"")
            conversation.send_each(head % (b"y" * (room + int(request.target[1:]))), size)

    client = lab(script, limits=limits).connect()
    assert client.get("/0").status == 200
    assert client.get("/1").status == 502


@pytest.mark.parametrize("many", [128, 129])
def test_the_number_of_fields_is_bounded(lab: StartLab, many: int) -> None:
    client = lab(answering(echo)).connect()
    client.send(client.head("/", *["X: 1"] * (many - 1)))
    answer = client.read_response()
    assert answer.status == (200 if many == 128 else 431)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"hello\n", b"\n"])
def test_a_response_that_can_not_become_one_is_not_waited_for(lab: StartLab, answer: bytes) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(answer)
        conversation.wait_gone()

    refusal = lab(script).connect().get()
    assert refusal.status == 502
    assert b"bad_response" in refusal.body


def test_a_tls_client_is_told_at_once(lab: StartLab) -> None:
    client = lab(answering(echo)).connect()
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    answer = client.read_response()
    assert answer.status == 400
    assert b"speaks TLS" in answer.body


@pytest.mark.parametrize(
    ("junk", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /\r\n\r\n", 400),
    ],
)
def test_no_http(lab: StartLab, junk: bytes, status: int) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(junk)
    assert client.read_response().status == status
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


@pytest.mark.parametrize("apart", [False, True])
def test_a_second_empty_line_is_refused_however_it_comes(lab: StartLab, apart: bool) -> None:
    here = lab(answering(echo))
    client = here.connect()
    for line in (b"\r\n", b"\r\n") if apart else (b"\r\n\r\n",):
        client.send(line)
        assert client.is_quiet(0.02)
    client.send(client.head())
    assert client.read_response().status == 400
    assert here.upstream.accepted == 0
