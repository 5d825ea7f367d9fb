"""Thousands of streams on which nothing happens, or that nobody reads, cost little."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stream_upstream import StreamUpstream, many_descriptors
from tests.fakes.worker_rig import PEER, WorkerRig

COUNT = 5_000
MOST_EACH = 64 * 1024


@contextmanager
def streams(
    worker: WorkerRig, count: int, *, receive_buffer: int = 0
) -> Iterator[list[socket.socket]]:
    """So many clients whose stream has begun."""
    with ExitStack() as cleanup:
        clients = []
        for _ in range(count):
            client = cleanup.enter_context(worker.connect(receive_buffer=receive_buffer))
            client.send(client.head("/events"))
            clients.append(client.socket)
        each_reads(clients, b"data: 0\n\n")
        yield clients


def each_reads(clients: list[socket.socket], marker: bytes) -> None:
    """Wait until every client has got the marker."""
    selector = selectors.DefaultSelector()
    for client in clients:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, bytearray())
    end = time.monotonic() + 60
    while selector.get_map():
        assert time.monotonic() < end, f"{len(selector.get_map())} got nothing"
        for key, _ in selector.select(1):
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(65_536)
            assert data, "a stream ended"
            key.data.extend(data)
            if marker in key.data:
                selector.unregister(key.fileobj)
    selector.close()


@pytest.mark.timeout(150)
def test_they_are_cheap_and_alive(authority: Authority) -> None:
    context = server_context(authority.issue("localhost", PEER), authority)
    context.num_tickets = 0
    with (
        many_descriptors(),
        StreamUpstream(context) as upstream,
        WorkerRig(authority, [upstream.port]) as worker,
    ):
        with worker.connect() as first:
            first.send(first.head())
            first.read_head()
        before = worker.memory()
        with streams(worker, COUNT) as clients:
            assert worker.stats().streams == COUNT
            assert (worker.memory() - before) / COUNT < MOST_EACH
            used = worker.cpu()
            time.sleep(2)
            assert worker.cpu() - used < 0.4, "a look at each, once a second"
            upstream.tell_all(b"news")
            each_reads(clients, b"data: news\n\n")
            with worker.connect() as late:
                began = time.monotonic()
                late.send(late.head())
                assert b"200 OK" in late.read_head()
                assert time.monotonic() - began < 2
        wait_until(lambda: worker.worker_stats().open_connections == 0)
        wait_until(lambda: not upstream.streams)
        assert worker.stats().connections == {}


@pytest.mark.timeout(150)
def test_a_thousand_that_nobody_reads_are_bounded(authority: Authority) -> None:
    context = server_context(authority.issue("localhost", PEER), authority)
    context.num_tickets = 0
    with (
        many_descriptors(),
        StreamUpstream(context) as upstream,
        WorkerRig(authority, [upstream.port]) as worker,
    ):
        with streams(worker, 1000, receive_buffer=4096):
            before = worker.memory()
            upstream.begin_pouring()

            def everybody_waits() -> bool:
                taken = upstream.pour()
                time.sleep(0.1)
                return not taken and worker.worker_stats().buffered_bytes > 1000 * 1024

            wait_until(everybody_waits, 60)
            assert worker.worker_stats().buffered_bytes < 1000 * 4 * 16_384
            assert worker.memory() - before < 1000 * MOST_EACH
            used = worker.cpu()
            time.sleep(1)
            assert worker.cpu() - used < 0.2
            with worker.connect() as late:
                late.send(late.head())
                assert b"200 OK" in late.read_head()
        wait_until(lambda: worker.worker_stats().open_connections == 0)
