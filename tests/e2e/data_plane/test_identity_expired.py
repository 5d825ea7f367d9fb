"""After a sleep the certificate is found expired: the first request waits for the renewal."""

from __future__ import annotations

import json
import threading
import time

import pytest

from gateway.data_plane.refusals import RENEWAL_WAIT_S
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, answering, echo


def test_waiting_requests_succeed_with_the_fresh_identity(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.expire()
    clients = [here.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(client.post_bytes(b"%d" % number))
    here.worker.wait_for(lambda _: here.worker.stats().active == 3)
    assert len(here.worker.events("identity_expired")) == 1
    assert here.upstream.accepted == 0
    serial = here.worker.rotate()
    assert [client.read_response().body for client in clients] == [b"0", b"1", b"2"]
    assert {request.serial for request in here.upstream.requests} == {serial}


def test_a_client_that_leaves_while_it_waits_is_forgotten(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.expire()
    client = here.connect()
    client.send(client.head("/gone"))
    here.worker.wait_for(lambda _: here.worker.stats().active == 1)
    client.close()
    here.worker.wait_for(lambda _: here.worker.stats().active == 0)
    here.worker.rotate()
    assert here.connect().get("/here").status == 200
    assert [request.target for request in here.upstream.requests] == ["/here"]


def test_pooled_connections_of_the_expired_identity_are_not_used(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    assert client.get().status == 200
    here.worker.expire()
    client.send(client.head())
    assert client.is_quiet(0.05)
    serial = here.worker.rotate()
    assert client.read_response().status == 200
    assert here.upstream.requests[-1].serial == serial


def test_an_identity_that_expires_while_a_dial_hangs(lab: StartLab) -> None:
    hold = threading.Event()

    class Slow(Conversation):
        def handshake(self) -> None:
            if self.number == 1:
                assert hold.wait(10)
            super().handshake()

    here = lab(answering(echo))
    here.upstream.conversation = Slow
    here.worker.rotate(not_after=time.time() + 0.3)
    client = here.connect()
    client.send(client.head())
    here.upstream.wait_for(lambda upstream: upstream.accepted == 1)
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    assert len(here.worker.events("identity_expired")) == 1
    serial = here.worker.rotate()
    assert client.read_response().status == 200
    assert here.upstream.requests[-1].serial == serial
    hold.set()


@pytest.mark.timeout(20)
def test_a_renewal_that_does_not_come_is_a_503(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.expire()
    client = here.connect()
    client.socket.settimeout(15)
    since = time.monotonic()
    answer = client.get()
    assert (answer.status, json.loads(answer.body)["stage"]) == (503, "identity")
    assert answer.field("Retry-After")
    assert RENEWAL_WAIT_S <= time.monotonic() - since < RENEWAL_WAIT_S + 3
