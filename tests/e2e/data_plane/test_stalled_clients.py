"""A client that takes nothing, or is gone behind its half-close, does not hold an upstream."""

from __future__ import annotations

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, Gone, wait_until

LIMITS = LimitsSpec(idle_timeout_s=1.0)


def pours(conversation: Conversation) -> None:
    conversation.read_head()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        conversation.send(b"x" * 16_384)


def pours_into_a_tunnel(conversation: Conversation) -> None:
    conversation.read_head()
    conversation.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    while True:
        conversation.send(b"x" * 16_384)


def is_empty(lab_worker: object) -> bool:
    stats = lab_worker.stats()  # type: ignore[attr-defined]
    return not stats.connections and not stats.downstream_connections


def test_a_client_that_never_reads_is_given_up(lab: StartLab) -> None:
    here = lab(pours, limits=LIMITS)
    client = here.worker.connect(receive_buffer=4096)
    client.send(client.head())
    wait_until(lambda: is_empty(here.worker))
    (line,) = here.worker.access_log(1)
    assert line["reason"] == "client_stalled"
    client.close()


def test_a_slow_client_that_goes_on_reading_is_kept(lab: StartLab) -> None:
    sent: list[int] = []

    def one_body(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * 16_384))
        for _ in range(200):
            conversation.send(b"x" * 16_384)
            sent.append(1)
        with pytest.raises(Gone):
            conversation.read_exactly(1)

    here = lab(one_body, limits=LIMITS)
    client = here.connect(receive_buffer=4096)
    client.send(client.head())
    head = client.read_head()
    assert b"200 OK" in head
    for _ in range(200):
        client.read_exactly(16_384)
    assert len(sent) == 200


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_tunnel_whose_client_half_closes_and_vanishes_ends(lab: StartLab, how: str) -> None:
    here = lab(pours_into_a_tunnel, limits=LIMITS)
    client = here.worker.connect(receive_buffer=4096)
    client.send(client.head("/", "Connection: Upgrade", "Upgrade: websocket"))
    client.read_head()
    client.half_close()
    client.reset() if how == "reset" else client.close()
    wait_until(lambda: is_empty(here.worker))
