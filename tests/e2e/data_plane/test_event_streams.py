"""Server-sent events arrive one by one, each before the next is sent."""

from __future__ import annotations

import queue
import time

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, response

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize("chunked", [True, False])
def test_each_event_arrives_before_the_next_is_sent(lab: StartLab, chunked: bool) -> None:
    seen: queue.Queue[None] = queue.Queue()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        for number in range(10):
            seen.get(timeout=5)
            event = b"data: %d\n\n" % number
            conversation.send(b"%x\r\n%b\r\n" % (len(event), event) if chunked else event)
        seen.get(timeout=5)
        conversation.send(b"0\r\n\r\n" if chunked else b"")
        conversation.close()

    client = lab(script).connect()
    client.send(client.head("/events"))
    head = client.read_head()  # before the first event
    assert b"text/event-stream" in head
    assert b"Transfer-Encoding: chunked" in head
    for number in range(10):
        seen.put(None)
        assert client.read_chunk() == b"data: %d\n\n" % number
    seen.put(None)
    assert client.read_chunk() == b""


def test_an_open_stream_is_counted(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    client.send(client.head("/events"))
    client.read_head()
    stats = here.worker.stats()
    assert (stats.active, stats.streams, stats.connections) == (1, 1, {"1": 1})
    client.close()
    here.worker.wait_for(lambda _: here.worker.stats().active == 0)
    assert here.worker.stats().streams == 0


def test_an_event_of_ten_megabytes_passes_whole_while_others_are_served(lab: StartLab) -> None:
    data = b"data: " + b"x" * 10_000_000 + b"\n\n"

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.target == "/large":
                conversation.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
                conversation.send(b"%x\r\n%b\r\n" % (len(data), data))
                conversation.send(b"8\r\ndata: 2\n\r\n")
            else:
                conversation.send(response(b"ok"))

    here = lab(script)
    client = here.connect()
    client.send(client.head("/large"))
    client.read_head()
    size = int(client.read_until(b"\r\n"), 16)
    assert size == len(data)
    first = client.read_exactly(1_000_000)
    assert here.connect().get("/other").body == b"ok"
    assert first + client.read_exactly(size - len(first)) == data
    assert client.read_exactly(2) == b"\r\n"
    assert client.read_chunk() == b"data: 2\n"


def test_silence_has_no_limit(lab: StartLab) -> None:
    """Nor do single bytes: no limit of time holds for a response that has begun."""

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        time.sleep(2.5)  # deadlines are looked at once a second
        for byte in b"5\r\n:ok\n\n\r\n":
            conversation.send(bytes([byte]))
            time.sleep(0.2)
        conversation.wait_gone()

    limits = LimitsSpec(
        head_timeout_s=0.1,
        idle_timeout_s=0.1,
        connect_timeout_s=1.0,
        response_timeout_s=0.1,
        upstream_idle_timeout_s=0.1,
    )
    client = lab(script, limits=limits).connect()
    client.send(client.head("/events"))
    client.read_head()
    # A comment is passed on as its lines are complete.
    assert client.read_chunk() + client.read_chunk() == b":ok\n\n"
