"""kill -9 of a worker in the middle of its work: what it carried ends visibly, the rest goes on."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import wait_until


def connect(stack: Stack) -> RawClient:
    address = stack.gateway.address()
    host, _, port = address.rpartition(":")
    return RawClient(socket.create_connection((host, int(port))), address)


def test_it_is_replaced_and_nothing_looks_complete(start_stack: StartStack) -> None:
    stack = start_stack()
    gateway = stack.gateway
    gateway.start()
    before = gateway.until_ready()
    with connect(stack) as stream, connect(stack) as waiting:
        stream.send(stream.head("/events?count=1000"))
        stream.read_head()
        assert stream.read_chunk() == b"data: 0\n\n"
        waiting.send(waiting.head("/hang"))
        wait_until(lambda: stack.agent.hanging == 1)
        os.kill(before["workers"][0]["pid"], signal.SIGKILL)
        began = time.monotonic()
        # The port was never closed: this waits in its queue for the new worker.
        assert gateway.request("POST", "/echo", body=b"after")[0] == 200
        assert time.monotonic() - began < 5
        with pytest.raises((Truncated, ConnectionResetError)):
            while stream.read_chunk():
                pass
        with pytest.raises((Truncated, ConnectionResetError)):
            waiting.read_head()
    wait_until(lambda: stack.agent.hanging == 0)
    after = gateway.until_ready()
    assert [worker["restarts"] for worker in after["workers"]] == [1]
    assert after["workers"][0]["pid"] != before["workers"][0]["pid"]
    assert after["identity"] == before["identity"]
    assert stack.agent.serials == [before["identity"]["serial"]]
    assert any(line.get("event") == "worker_died" for line in gateway.log())
