"""Whoever is slow slows the other side down; the worker holds next to nothing in between."""

from __future__ import annotations

import threading
import time

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, Gone, response, wait_until

MOST_GROWTH = 2 << 20
BLOCK = bytes(65_536)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def _stalls(counter: list[int]) -> bool:
    """Whether a counter stands still for a moment."""
    before = counter[0]
    time.sleep(0.15)
    return before == counter[0] > 0


@pytest.mark.parametrize("piece", [65_536, 900])
def test_a_slow_reader_stops_the_upstream_and_does_not_grow_the_worker(
    lab: StartLab, piece: int
) -> None:
    """Whether its pieces are written at once or gathered until the end of a turn."""
    sent = [0]
    block = bytes(piece)

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            conversation.send(block)
            sent[0] += piece

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


def test_small_messages_of_a_tunnel_wait_for_a_slow_reader(lab: StartLab) -> None:
    sent = [0]
    message = bytes(900)

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH)
        for _ in range(20_000):
            conversation.send(message)
            sent[0] += len(message)
        conversation.close()

    here = lab(script)
    before = here.worker.memory()
    client = here.connect(receive_buffer=16_384)
    client.send(client.head("/ws", "Connection: Upgrade", "Upgrade: websocket"))
    client.read_head()
    wait_until(lambda: _stalls(sent))
    assert sent[0] < 20_000 * len(message)
    assert here.worker.memory() - before < MOST_GROWTH
    assert len(client.read_to_end()) == 20_000 * len(message)


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
