"""SIGTERM while a stream runs: it ends whole within the deadline, or is visibly cut at it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import StartStack
from tests.fakes.gateway_process import is_refused
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway


@contextmanager
def stream(gateway: Gateway, *, count: int) -> Iterator[RawClient]:
    """A running gateway with a stream of so many events, which has begun."""
    gateway.start()
    gateway.until_ready()
    address = gateway.address()
    host, _, port = address.rpartition(":")
    with RawClient(socket.create_connection((host, int(port))), address) as client:
        client.send(client.head(f"/events?count={count}"))
        client.read_head()
        client.read_chunk()
        yield client


def test_it_ends_whole_within_the_deadline(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    with stream(gateway, count=50) as client:
        drained = gateway.command("drain")
        assert drained.returncode == 0
        wait_until(lambda: is_refused(client.socket.getpeername()))
        events = b"".join(iter(client.read_chunk, b""))
        assert events.endswith(b"data: 49\n\n")
        assert client.ended()
        assert gateway.wait()[0] == 0
    assert gateway.command("status").returncode == 2


def test_the_deadline_cuts_it(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    gateway.configure(drain_s=0.5)
    with stream(gateway, count=5000) as client:
        gateway.signal(signal.SIGTERM)
        is_cut(client)
        assert gateway.wait()[0] == 1


def test_a_second_signal_cuts_it(start_stack: StartStack) -> None:
    gateway = start_stack().gateway
    with stream(gateway, count=5000) as client:
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda body: body["state"] == "draining")
        gateway.signal(signal.SIGTERM)
        is_cut(client)
        assert gateway.wait()[0] == 1
        assert time.monotonic() - began < 4, "the deadline was 5 s"


def is_cut(client: RawClient) -> None:
    """Whether the stream ends without its last chunk."""
    with pytest.raises((Truncated, ConnectionResetError)):
        while client.read_chunk():
            pass
