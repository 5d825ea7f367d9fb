"""A request as it is written, and answers as they come: whole, in pieces, cut, or no HTTP."""

from __future__ import annotations

import json

import pytest

from gateway.doctor.exchange import exchange
from gateway.doctor.message import Missed, Reply, Request, head_only, to_the_end


class Wire:
    """A link that gives these pieces, and then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self.sent = b""
        self.left = list(pieces)

    async def send(self, data: bytes) -> None:
        self.sent += data

    async def receive(self) -> bytes:
        return self.left.pop(0) if self.left else b""

    async def close(self) -> None:
        raise AssertionError("the caller closes")


async def _ask(wire: Wire, request: Request | None = None) -> Reply:
    wanted = request or Request(method="GET", path="/")
    return await exchange(wire, wanted, authority="agent.example", headers={"X-Key": "v"})


_CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


async def test_what_is_sent() -> None:
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await _ask(wire, Request(method="POST", path="/mcp", headers={"Accept": "a/b"}, body=b"{}"))
    head, _, body = wire.sent.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /mcp HTTP/1.1"
    assert {"Host: agent.example", "Accept: a/b", "X-Key: v", "Content-Length: 2"} <= set(lines)
    assert body == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n" + _CHUNKS,
        b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_answers_in_pieces(answer: bytes, size: int) -> None:
    wire = Wire(*(answer[at : at + size] for at in range(0, len(answer), size)))
    reply = await _ask(wire)
    assert (reply.status, reply.body, reply.headers["x"]) == (200, b"hello", "y")


async def test_no_more_is_read_than_is_wanted() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = Wire(head, b"2\r\nhe\r\n", b"never")
    reply = await _ask(wire, Request(method="GET", path="/", enough=bool))
    assert reply.body == b"he"
    assert wire.left == [b"never"]
    wire = Wire(head, b"never")
    assert (await _ask(wire, Request(method="GET", path="/", enough=head_only))).status == 200
    assert wire.left == [b"never"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "upstream_closed"),
        (b"HTTP/1.1 200", "upstream_closed"),
        (b"SSH-2.0-x\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "bad_response"),
    ],
)
async def test_what_is_no_answer(answer: bytes, reason: str) -> None:
    with pytest.raises(Missed) as missed:
        await _ask(Wire(answer))
    assert missed.value.failure.reason == reason


async def test_an_answer_of_the_gateways_own_is_the_reason() -> None:
    body = json.dumps({"type": "urn:devwiz-gw:problem:tls_failed", "detail": "so"}).encode()
    head = b"HTTP/1.1 502 X\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n"
    wire = Wire(head % len(body), body[:9], body[9:])
    with pytest.raises(Missed) as missed:
        # However little of it was wanted.
        await _ask(wire, Request(method="GET", path="/", enough=head_only))
    assert missed.value.failure.reason == "tls_failed"
    assert missed.value.failure.detail == "so"


@pytest.mark.parametrize("kind", ["about:blank", "urn:devwiz-gw:problem:none", ""])
async def test_a_problem_of_the_upstream_is_an_answer(kind: str) -> None:
    body = json.dumps({"type": kind}).encode()
    head = b"HTTP/1.1 500 X\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n"
    assert (await _ask(Wire(head % len(body) + body))).status == 500


def test_all_of_a_body_is_wanted_by_default() -> None:
    assert not to_the_end(b"x")
