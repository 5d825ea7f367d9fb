"""What the upstream breaks off arrives broken: a truncated response never looks complete."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation

BEGINNINGS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc",
    "before the last chunk's end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    ),
    "in a trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n"
    ),
    "events": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    ),
}
ENDINGS: dict[str, Callable[[Conversation], None]] = {
    "farewell": Conversation.close,
    "cut": Conversation.cut,
    "reset": Conversation.reset,
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_broken_response_is_incomplete(lab: StartLab, beginning: str, ending: str) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(BEGINNINGS[beginning])
        ENDINGS[ending](conversation)

    here = lab(script)
    client = here.connect()
    client.send(client.head())
    head = client.read_head()
    assert head.startswith(b"HTTP/1.1 200 ")
    rest = _all_that_comes(client.read_to_end)
    assert b"\r\n0\r\n" not in rest
    line = here.worker.access_log(1)[0]
    assert (line["status"], line["reason"]) == (200, "upstream_closed")


def _all_that_comes(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("beginning", ["length", "chunked", "events"])
def test_the_standard_library_s_client_notices(lab: StartLab, beginning: str) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(BEGINNINGS[beginning])
        conversation.close()

    here = lab(script)
    with closing(HTTPConnection("127.0.0.1", here.worker.ports[0], timeout=5)) as connection:
        connection.request("GET", "/")
        with connection.getresponse() as response, pytest.raises(IncompleteRead):
            response.read()


def test_an_abort_before_the_head_is_a_502(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        conversation.cut()

    answer = lab(script).connect().get()
    assert answer.status == 502
    assert b'"stage": "response"' in answer.body


def test_garbage_in_a_chunked_body_ends_it_incomplete(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(BEGINNINGS["chunked"])
        conversation.send(b"zz\r\nwhat\r\n0\r\n\r\n")
        conversation.wait_gone()

    client = lab(script).connect()
    with pytest.raises(Truncated) as caught:
        client.get()
    assert caught.value.got == b"abc"
