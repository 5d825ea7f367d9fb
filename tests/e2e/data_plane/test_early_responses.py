"""An answer that comes before the request's body is sent reaches the client."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, response

TOO_LARGE = response(b"too large", status="413 Content Too Large")
ENDINGS: dict[str, Callable[[Conversation], object]] = {
    "keeps reading": Conversation.wait_gone,
    "farewell": Conversation.close,
    "cut": Conversation.cut,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_413_reaches_a_client_that_still_sends(lab: StartLab, ending: str) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        time.sleep(0.2)  # the worker writes nothing any more by then: writing to a reset fails
        conversation.send(TOO_LARGE)
        ENDINGS[ending](conversation)

    here = lab(script)
    client = here.connect()
    client.send(client.head("/", "Content-Length: 100000000", method="POST") + bytes(100_000))
    answer = client.read_response()
    assert (answer.status, answer.body) == (413, b"too large")
    assert answer.field("Connection") == "close"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_client_that_sends_all_before_it_reads_gets_the_413(lab: StartLab, ending: str) -> None:
    """With unread bytes in its socket the upstream's close is a reset."""

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        time.sleep(0.2)  # the worker can't write any more by then
        conversation.send(TOO_LARGE)
        ENDINGS[ending](conversation)

    here = lab(script, receive_buffer=65_536)
    with closing(HTTPConnection("127.0.0.1", here.worker.ports[0], timeout=5)) as connection:
        connection.request("POST", "/", body=bytes(16 << 20))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (413, b"too large")


def test_a_refusal_of_our_own_reaches_a_client_that_sends_all_before_it_reads(
    lab: StartLab,
) -> None:
    here = lab(Conversation.wait_gone)
    foreign = {"Origin": "http://evil.example"}
    with closing(HTTPConnection("127.0.0.1", here.worker.ports[0], timeout=5)) as connection:
        connection.request("POST", "/", body=bytes(8 << 20), headers=foreign)
        with connection.getresponse() as answer:
            assert answer.status == 403


def test_the_upstream_connection_is_not_used_again(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(TOO_LARGE)
        conversation.wait_gone()

    here = lab(script)
    for _ in range(2):
        client = here.connect()
        client.send(client.head("/", "Content-Length: 10", method="POST") + b"12345")
        assert client.read_response().status == 413
    assert here.upstream.accepted == 2


def test_a_whole_stream_may_come_before_the_body_is_sent(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_head()
        assert received is not None
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in conversation.read_body(received):
            conversation.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        conversation.send(b"0\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    client.send(client.head("/", "Content-Length: 9", method="POST"))
    client.read_head()
    for piece in (b"one", b"two", b"six"):
        client.send(piece)
        assert client.read_chunk() == piece
    assert client.read_chunk() == b""
