"""New requests use the new identity; what is in flight lives as long as its own certificate."""

from __future__ import annotations

import threading
import time

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, Script, answering, echo, response

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_new_requests_show_the_new_certificate(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    serials = [here.worker.serial]
    assert client.get().status == 200
    for _ in range(3):
        serials.append(here.worker.rotate())
        assert client.get().status == 200
    assert [request.serial for request in here.upstream.requests] == serials
    assert here.worker.stats().connections == {"4": 1}


def test_idle_connections_of_the_old_one_close_at_once(lab: StartLab) -> None:
    ends: list[float] = []

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response())
        conversation.wait_gone()
        ends.append(time.monotonic())

    here = lab(script)
    here.connect().get()
    since = time.monotonic()
    here.worker.rotate()
    here.upstream.wait_for(lambda _: len(ends) == 1)
    assert ends[0] - since < 0.5


def test_a_snapshot_without_news_keeps_the_pool(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    for _ in range(3):
        assert client.get().status == 200
        here.worker.change(headers=(("Authorization", "Bearer another"),))
    assert here.upstream.accepted == 1
    assert here.upstream.requests[-1].fields["authorization"] == "Bearer another"


def _events(go: threading.Semaphore, ends: list[str]) -> Script:
    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        if received.target != "/events":
            conversation.send(response())
            conversation.wait_gone()
            return
        conversation.send(STREAM)
        for _ in range(3):
            assert go.acquire(timeout=5)
            conversation.send(b"3\r\nabc\r\n")
        if conversation.number == 1:
            ends.append(conversation.wait_gone())

    return script


def test_a_busy_stream_goes_on_beside_the_new_generation(lab: StartLab) -> None:
    go, ends = threading.Semaphore(0), list[str]()
    here = lab(_events(go, ends))
    stream = here.connect()
    stream.send(stream.head("/events"))
    stream.read_head()
    serial = here.worker.rotate()
    assert here.connect().get("/").status == 200
    assert here.upstream.requests[-1].serial == serial
    for _ in range(3):
        go.release()
        assert stream.read_chunk() == b"abc"
    assert here.worker.stats().connections == {"1": 1, "2": 1}
    stream.close()
    here.upstream.wait_for(lambda _: len(ends) == 1)


def test_a_busy_stream_ends_with_its_certificate_and_incomplete(lab: StartLab) -> None:
    go, ends = threading.Semaphore(0), list[str]()
    here = lab(_events(go, ends))
    not_after = time.time() + 1.2
    here.worker.rotate(not_after=not_after)
    stream = here.connect()
    stream.send(stream.head("/events"))
    stream.read_head()
    here.worker.rotate()
    go.release()
    assert stream.read_chunk() == b"abc"
    go.release(2)
    with pytest.raises(Truncated):
        while True:
            assert stream.read_chunk() == b"abc"
    assert not_after <= time.time() < not_after + 1.5
    here.upstream.wait_for(lambda _: len(ends) == 1)


def test_a_request_in_flight_is_answered_by_the_connection_it_is_on(lab: StartLab) -> None:
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        while conversation.read_request() is not None:
            assert go.wait(5)
            conversation.send(response(b"late"))

    here = lab(script)
    client = here.connect()
    client.send(client.post_bytes(b"x"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.worker.rotate()
    go.set()
    assert client.read_response().body == b"late"
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    assert len(here.upstream.requests) == 1


def test_rotations_under_load_fail_no_request(lab: StartLab) -> None:
    here = lab(answering(echo))
    stop = threading.Event()
    statuses: list[int] = []

    def work() -> None:
        with here.worker.connect() as client:
            while not stop.is_set():
                statuses.append(client.post(b"x" * 100).status)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(10):
        here.worker.rotate()
        time.sleep(0.03)
    stop.set()
    for worker in workers:
        worker.join(5)
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert here.worker.stats().failures == {}
