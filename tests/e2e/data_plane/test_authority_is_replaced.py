"""An authority is replaced on both sides, old and new together first, and no request fails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import Conversation, response, wait_until
from tests.fakes.worker_rig import PEER, SPIFFE_ID

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Both:
    """Whom a server trusts while an authority is replaced."""

    def __init__(self, *authorities: Authority) -> None:
        self.pem = "".join(authority.pem for authority in authorities)


def _agent(conversation: Conversation) -> None:
    while (received := conversation.read_request()) is not None:
        if received.target == "/events":
            conversation.send(EVENTS + b"3\r\nabc\r\n")
            conversation.wait_gone()
            return
        conversation.send(response(received.body))


def _stream(here: Lab) -> RawClient:
    client = here.connect()
    client.send(client.head("/events"))
    client.read_head()
    assert client.read_chunk() == b"abc"
    return client


@contextmanager
def _traffic(here: Lab) -> Iterator[list[int]]:
    """Keep-alive requests that act, one after the other; how many each client has had answered."""
    stop = threading.Event()
    counts = [0] * 4
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with here.worker.connect() as client:
                for turn in itertools.count():
                    if stop.is_set():
                        return
                    body = f"{number}-{turn}".encode()
                    answer = client.post(body)
                    assert (answer.status, answer.body) == (200, body)
                    counts[number] = turn + 1
        except BaseException as problem:  # noqa: BLE001 - raised again below
            problems.append(problem)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(counts))]
    for worker in workers:
        worker.start()
    try:
        yield counts
    finally:
        stop.set()
        for worker in workers:
            worker.join(10)
    assert problems == []


def _some_more(counts: list[int]) -> None:
    """Let each client have some requests answered."""
    before = list(counts)
    wait_until(lambda: all(now > then + 5 for now, then in zip(counts, before, strict=True)))


def _renew(here: Lab, leaf: Leaf, bundle: str) -> None:
    """A new generation with its bundle."""
    identity = here.worker.identity
    assert identity is not None
    here.worker.identity = here.worker.new_identity(identity.generation + 1, leaf=leaf)
    here.worker.change(tls={"bundle_pem": bundle})


def test_no_request_fails_from_the_old_authority_to_the_new_one(
    lab: StartLab, authority: Authority
) -> None:
    old, new = authority, Authority()
    both = Both(old, new)
    here = lab(_agent)
    with _traffic(here) as counts:
        _some_more(counts)
        # All sides trust the new one beside the old one.
        _renew(here, old.issue(SPIFFE_ID), both.pem)
        here.upstream.context = server_context(old.issue("localhost", PEER), both)
        _some_more(counts)
        stream_of_old = _stream(here)
        # The server gets its certificate of the new one, then we do.
        here.upstream.context = server_context(new.issue("localhost", PEER), both)
        _some_more(counts)
        _renew(here, new.issue(SPIFFE_ID), both.pem)
        _some_more(counts)
        stream_of_new = _stream(here)
        wait_until(lambda: here.worker.stats().connections.keys() == {"2", "3"})
        # The old one goes.
        here.upstream.context = server_context(new.issue("localhost", PEER), new)
        here.worker.change(tls={"bundle_pem": new.pem})
        _some_more(counts)
        assert stream_of_new.is_quiet()
        with pytest.raises(Truncated):
            stream_of_old.read_chunk()
    stats = here.worker.stats()
    assert stats.failures == {"trust_withdrawn": 1}, "the stream with a server of the old one"
    assert stats.requests == {"200": sum(counts) + 1}
    assert stats.retired["untrusted"] == 1
    assert stats.handshake_failures == {}
