"""Whoever is slow slows the other side down; the worker holds next to nothing in between."""

from __future__ import annotations

import threading
import time

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, Gone, response, wait_until

MOST_GROWTH = 2 << 20
BLOCK = bytes(65_536)


def _stalls(counter: list[int]) -> bool:
    """Whether a counter stands still for a moment."""
    before = counter[0]
    time.sleep(0.15)
    return before == counter[0] > 0


def test_a_slow_reader_stops_the_upstream_and_does_not_grow_the_worker(lab: StartLab) -> None:
    sent = [0]

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            conversation.send(BLOCK)
            sent[0] += len(BLOCK)

    here = lab(script)
    before = here.worker.memory()
    client = here.connect(receive_buffer=16_384)
    client.send(client.head())
    wait_until(lambda: _stalls(sent))
    assert sent[0] < 64 << 20
    assert here.worker.memory() - before < MOST_GROWTH
    stalled_at = sent[0]
    for _ in range(400):
        client.read_exactly(len(BLOCK))
    assert sent[0] > stalled_at


def test_a_slow_upstream_stops_the_client_and_does_not_grow_the_worker(lab: StartLab) -> None:
    go = threading.Event()
    total = 128 << 20

    def script(conversation: Conversation) -> None:
        received = conversation.read_head()
        assert received is not None
        assert go.wait(10)
        size = sum(len(piece) for piece in conversation.read_body(received))
        conversation.send(response(b"%d" % size))
        conversation.wait_gone()

    here = lab(script, receive_buffer=65_536)
    before = here.worker.memory()
    client = here.connect()
    client.send(client.head("/", f"Content-Length: {total}", method="POST"))
    sent = [0]

    def upload() -> None:
        while sent[0] < total:
            client.send(BLOCK)
            sent[0] += len(BLOCK)

    sender = threading.Thread(target=upload)
    sender.start()
    wait_until(lambda: _stalls(sent))
    assert sent[0] < total // 2
    assert here.worker.memory() - before < MOST_GROWTH
    go.set()
    sender.join(10)
    assert client.read_response().body == b"%d" % total


def test_a_waiting_worker_does_not_spin(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        try:
            while True:
                conversation.send(BLOCK)
        except TimeoutError as error:
            raise Gone("stalled") from error

    here = lab(script)
    client = here.connect(receive_buffer=16_384)
    client.send(client.head())
    client.read_head()
    time.sleep(0.2)
    before = here.worker.cpu()
    time.sleep(0.4)
    assert here.worker.cpu() - before < 0.1
