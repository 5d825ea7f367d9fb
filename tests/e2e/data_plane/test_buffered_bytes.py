"""What waits for slow readers is bounded: by connection, and over all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Gone, response, wait_until

PIECE = b"x" * 16_384


def pours(conversation: Conversation) -> None:
    """Without end to whoever asks for /pour."""
    while (received := conversation.read_request()) is not None:
        if received.target != "/pour":
            conversation.send(response(b"ok"))
            continue
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        try:
            while True:
                conversation.send(PIECE)
        except Gone:
            return


def slow_readers(here: Lab, count: int) -> Iterator[RawClient]:
    for _ in range(count):
        client = here.connect(receive_buffer=4096)
        client.send(client.head("/pour"))
        yield client


def buffered(here: Lab) -> int:
    return here.worker.worker_stats().buffered_bytes


def test_each_slow_reader_costs_a_few_reads_at_most(lab: StartLab) -> None:
    here = lab(pours)
    readers = list(slow_readers(here, 10))
    wait_until(lambda: buffered(here) >= 10 * 1024)
    assert buffered(here) <= 10 * 4 * len(PIECE)
    for client in readers:
        client.close()
    wait_until(lambda: buffered(here) == 0)


def test_with_too_much_waiting_new_work_is_refused_until_it_is_taken(lab: StartLab) -> None:
    here = lab(pours, limits=LimitsSpec(max_buffered_bytes=10_000))
    kept = here.connect()
    assert kept.get().status == 200
    readers = list(slow_readers(here, 12))
    wait_until(lambda: buffered(here) >= 10_000)
    late = here.connect()
    answer = late.read_response()
    assert (answer.status, answer.field("Retry-After")) == (503, "1")
    assert "max_buffered_bytes" in json.loads(answer.body)["detail"]
    answer = kept.get("/new")
    assert answer.status == 503, "it would need another connection to the upstream"
    for client in readers:
        client.close()
    wait_until(lambda: kept.get().status == 200)
