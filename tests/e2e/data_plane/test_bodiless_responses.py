"""Answers that have no body, whatever their headers say."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, response


@pytest.mark.parametrize("line", ["Content-Length: 1234", "Transfer-Encoding: chunked", "X: y"])
def test_head(lab: StartLab, line: str) -> None:
    here = lab(answering(lambda _: f"HTTP/1.1 200 OK\r\n{line}\r\n\r\n".encode()))
    client = here.connect()
    for _ in range(2):
        client.send(client.head(method="HEAD"))
        answer = client.read_response(method="HEAD")
        assert answer.status == 200
        expected = "1234" if line.startswith("Content") else None
        assert answer.field("Content-Length") == expected
    assert here.upstream.accepted == 1
    assert client.is_quiet(0.02)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_content_and_not_modified(lab: StartLab, status: str) -> None:
    here = lab(answering(lambda _: f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode()))
    client = here.connect()
    for _ in range(2):
        answer = client.get()
        assert (answer.status, answer.body) == (int(status[:3]), b"")
        assert answer.field("Transfer-Encoding") is None
    assert here.upstream.accepted == 1


def test_a_304_may_say_the_length_that_a_200_would_have(lab: StartLab) -> None:
    here = lab(answering(lambda _: b"HTTP/1.1 304 X\r\nContent-Length: 99\r\n\r\n"))
    client = here.connect()
    assert client.get().field("Content-Length") == "99"
    assert client.get().status == 304
    assert here.upstream.accepted == 1


def test_a_body_where_none_may_be_reaches_nobody(lab: StartLab) -> None:
    here = lab(answering(lambda r: response(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")))
    client = here.connect()
    client.send(client.head(method="HEAD") + client.head("/next"))
    assert client.read_response(method="HEAD").status == 200
    assert client.read_response().body.endswith(b"evil")
    assert here.upstream.accepted == 2
