"""Two workers share the ports; when one is killed, the other's connections don't notice."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.raw_client import RawClient, Truncated

CLIENTS = 16


def test_each_carries_its_own(start_stack: StartStack) -> None:
    stack = start_stack()
    gateway = stack.gateway
    gateway.configure(limits="workers = 2")
    gateway.start()
    gateway.until_ready()
    first, second = gateway.worker_pids()
    before = gateway.status()["identity"]
    with ExitStack() as cleanup:
        clients = [cleanup.enter_context(streaming(stack)) for _ in range(CLIENTS)]
        carried = {pid: sockets_of(pid) for pid in (first, second)}
        assert all(carried.values()), "the kernel spreads connections over both"
        os.kill(first, signal.SIGKILL)
        ended = [is_whole(client) for client in clients]
        assert ended.count(True) == carried[second]
        assert ended.count(False) == carried[first]
        after = gateway.until_ready()
        for client in [client for client, whole in zip(clients, ended, strict=True) if whole]:
            assert client.get("/echo").status == 200, "kept alive by the worker that lived"
    assert second in gateway.worker_pids()
    assert sorted(worker["restarts"] for worker in after["workers"]) == [0, 1]
    assert after["identity"] == before
    for _ in range(CLIENTS):
        assert gateway.request("POST", "/echo", body=b"x")[0] == 200


def streaming(stack: Stack) -> RawClient:
    """A client of a stream that has begun."""
    address = stack.gateway.address()
    host, _, port = address.rpartition(":")
    client = RawClient(socket.create_connection((host, int(port))), address)
    client.send(client.head("/events?count=100"))
    client.read_head()
    client.read_chunk()
    return client


def is_whole(client: RawClient) -> bool:
    """Whether the stream comes to its proper end."""
    with suppress(Truncated, ConnectionResetError):
        return b"data: 99\n\n" in b"".join(iter(client.read_chunk, b""))
    return False


def sockets_of(pid: int) -> int:
    """How many client connections a worker carries: each has one to the agent beside it."""
    open_ones = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    numbers = {name[8:-1] for name in open_ones if name.startswith("socket:")}
    table = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    established = [line.split()[9] for line in table if line.split()[3] == "01"]
    return len(numbers & set(established)) // 2
