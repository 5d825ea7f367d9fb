"""256 MiB up and 256 MiB down at the same time, through a program that does not grow."""

from __future__ import annotations

import hashlib
import socket
import threading

from tests.e2e.conftest import StartStack
from tests.fakes.agent_server import BLOCK
from tests.fakes.raw_client import RawClient
from tests.fakes.stack import bounded_memory

BLOCKS = 256


def test_memory_is_bounded(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    gateway.start()
    gateway.until_ready()
    assert gateway.request("POST", "/echo", body=b"warm")[0] == 200
    address = gateway.address()
    host, _, port = address.rpartition(":")
    expected = hashlib.sha256()
    for _ in range(BLOCKS):
        expected.update(BLOCK)
    with (
        RawClient(socket.create_connection((host, int(port))), address) as up,
        RawClient(socket.create_connection((host, int(port))), address) as down,
        bounded_memory(gateway, most_growth=8 << 20),
    ):
        sending = threading.Thread(target=send, args=(up,))
        sending.start()
        down.send(down.head(f"/bytes?blocks={BLOCKS}"))
        down.read_head()
        received = hashlib.sha256()
        for _ in range(BLOCKS):
            received.update(down.read_exactly(len(BLOCK)))
        sending.join(30)
        answer = up.read_response()
    assert received.digest() == expected.digest()
    assert answer.body.decode() == expected.hexdigest()
    route = gateway.status()["routes"][0]
    assert min(route["bytes_up"], route["bytes_down"]) > BLOCKS * len(BLOCK)
    assert route["failures"] == {}


def send(client: RawClient) -> None:
    """The upload, in one go."""
    client.send(client.head("/digest", f"Content-Length: {BLOCKS * len(BLOCK)}", method="POST"))
    for _ in range(BLOCKS):
        client.send(BLOCK)
