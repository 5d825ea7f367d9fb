"""A silent event stream gets a comment where its route asks for it, and only between two events."""

from __future__ import annotations

import threading

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Script, response

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
COMMENT = b": keep-alive\n\n"
EMPTY = b"\r\n2\r\n\n\n\r\n|0\r\n\r\n"
ASKED = {"sse_keep_alive_s": 1.0}


def scripted(streams: dict[str, bytes], go_on: threading.Event) -> Script:
    """Sends what a target has up to "|", waits, and sends the rest."""

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            first, _, rest = streams[received.target].partition(b"|")
            conversation.send(first)
            if rest:
                assert go_on.wait(30)
                conversation.send(rest)

    return script


def opened(here: Lab, target: str, **options: object) -> RawClient:
    client = here.connect()
    client.send(client.head(target, **options))  # type: ignore[arg-type]
    client.read_head()
    return client


@pytest.mark.parametrize(
    ("method", "framing"), [("GET", CHUNKED), ("POST", b"")], ids=["chunked", "until closed"]
)
def test_comments_come_between_events(lab: StartLab, framing: bytes, method: str) -> None:
    go_on = threading.Event()
    event = b"6\r\n: hi\n\n\r\n" if framing else b": hi\n\n"
    last = b"9\r\ndata: 1\n\n\r\n0\r\n\r\n" if framing else b"data: 1\n\n"
    stream = EVENTS + framing + b"\r\n" + event + b"|" + last

    def once(conversation: Conversation) -> None:
        conversation.read_request()
        first, _, rest = stream.partition(b"|")
        conversation.send(first)
        assert go_on.wait(30)
        conversation.send(rest)
        conversation.close()

    here = lab(once, route=ASKED)
    client = opened(here, "/a", method=method)
    assert client.read_chunk() == b": hi\n\n"
    for _ in range(2):
        assert client.read_chunk() == COMMENT
    go_on.set()
    while (piece := client.read_chunk()) == COMMENT:
        pass
    assert piece == b"data: 1\n\n"
    assert client.read_chunk() == b""


# What has to stay as it is, for as long as another stream gets its comments.
STAYS = {
    "/in-a-line": EVENTS + CHUNKED + b"\r\n6\r\ndata: \r\n|3\r\n1\n\n\r\n0\r\n\r\n",
    "/in-an-event": EVENTS + CHUNKED + b"\r\n8\r\ndata: 1\n\r\n|1\r\n\n\r\n0\r\n\r\n",
    "/in-a-chunk": EVENTS + CHUNKED + b"\r\n9\r\ndata|: 1\n\n\r\n0\r\n\r\n",
    "/in-an-end-of-line": EVENTS + CHUNKED + b"\r\n8\r\nid: 1\r\n\r\r\n|1\r\n\n\r\n0\r\n\r\n",
    "/of-a-known-length": EVENTS + b"Content-Length: 18\r\n\r\ndata: 1\n\n|data: 2\n\n",
    "/encoded": EVENTS + b"Content-Encoding: gzip\r\n" + CHUNKED + EMPTY,
    "/of-another-type": EVENTS.replace(b"stream;", b"streams;") + CHUNKED + EMPTY,
    "/an-error": EVENTS.replace(b"200 OK", b"404 Not") + CHUNKED + EMPTY,
}
PAYLOADS = {
    "/in-a-line": b"data: 1\n\n",
    "/in-an-event": b"data: 1\n\n",
    "/in-a-chunk": b"data: 1\n\n",
    "/in-an-end-of-line": b"id: 1\r\n\r\n",
    "/of-a-known-length": b"data: 1\n\ndata: 2\n\n",
    "/encoded": b"\n\n",
    "/of-another-type": b"\n\n",
    "/an-error": b"\n\n",
}


def test_nothing_is_put_anywhere_else(lab: StartLab) -> None:
    go_on = threading.Event()
    silent = EVENTS + CHUNKED + b"\r\n2\r\n\n\n\r\n|0\r\n\r\n"
    here = lab(scripted(STAYS | {"/other": silent}, go_on), route=ASKED)
    clients = {target: opened(here, target) for target in STAYS}
    other = opened(here, "/other")
    assert other.read_chunk() == b"\n\n"
    for _ in range(2):
        assert other.read_chunk() == COMMENT
    go_on.set()
    for target, client in clients.items():
        payload = b""
        if target == "/of-a-known-length":
            payload = client.read_exactly(18)
        else:
            while piece := client.read_chunk():
                payload += piece
        assert payload == PAYLOADS[target], target


def test_a_client_of_http_1_0_gets_the_stream_as_it_is(lab: StartLab) -> None:
    go_on = threading.Event()
    stream = EVENTS + CHUNKED + b"\r\n2\r\n\n\n\r\n|9\r\ndata: 1\n\n\r\n0\r\n\r\n"
    here = lab(scripted({"/it": stream, "/other": stream}, go_on), route=ASKED)
    old = here.connect()
    old.send(old.head("/it", minor=0))
    old.read_head()
    other = opened(here, "/other")
    assert other.read_chunk() == b"\n\n"
    for _ in range(2):
        assert other.read_chunk() == COMMENT
    go_on.set()
    assert old.read_to_end() == b"\n\ndata: 1\n\n"


def test_an_answer_to_head_has_no_body_to_put_anything_into(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.method == "HEAD":
                conversation.send(EVENTS + CHUNKED + b"\r\n")
            else:
                conversation.send(response(b"ok"))

    here = lab(script, route=ASKED)
    client = opened(here, "/it", method="HEAD")
    assert client.get("/").body == b"ok"


def test_a_route_that_does_not_ask_gets_none(lab: StartLab) -> None:
    go_on = threading.Event()
    stream = EVENTS + CHUNKED + b"\r\n2\r\n\n\n\r\n|9\r\ndata: 1\n\n\r\n0\r\n\r\n"
    here = lab(scripted({"/it": stream}, go_on))
    client = opened(here, "/it")
    assert client.read_chunk() == b"\n\n"
    assert client.is_quiet(2.5)
    go_on.set()
    assert client.read_chunk() == b"data: 1\n\n"
    here.worker.change(sse_keep_alive_s=1.0)
    go_on.clear()
    assert client.read_chunk() == b""
    client.send(client.head("/it"))
    client.read_head()
    assert client.read_chunk() == b"\n\n"
    assert client.read_chunk() == COMMENT
    go_on.set()
