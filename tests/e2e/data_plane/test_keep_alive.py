"""Requests on one client connection share one upstream connection."""

from __future__ import annotations

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, digest, echo


def test_one_client_connection_uses_one_upstream_connection(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    for number in range(5):
        answer = client.post(b"body %d" % number, f"/{number}")
        assert (answer.status, answer.body) == (200, b"body %d" % number)
    assert [request.connection for request in here.upstream.requests] == [1] * 5
    assert sum(here.worker.stats().handshakes.values()) == 1


def test_clients_one_after_the_other_share_the_pooled_connection(lab: StartLab) -> None:
    here = lab(answering(digest))
    for number in range(3):
        with here.worker.connect() as client:
            assert client.get(f"/{number}").body.startswith(b"/%d " % number)
    assert here.upstream.accepted == 1


def test_clients_at_the_same_time_have_a_connection_each(lab: StartLab) -> None:
    here = lab(answering(echo))
    clients = [here.connect() for _ in range(3)]
    for client in clients:
        client.send(client.head("/", "Content-Length: 2", method="POST") + b"a")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 3)
    for client in clients:
        client.send(b"b")
    assert [client.read_response().body for client in clients] == [b"ab"] * 3
    assert sorted(request.connection for request in here.upstream.requests) == [1, 2, 3]


def test_an_http_1_0_client_keeps_its_connection_when_it_asks(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    for _ in range(2):
        client.send(client.head("/", "Connection: keep-alive", minor=0))
        answer = client.read_response()
        assert answer.field("Connection") == "keep-alive"
    client.send(client.head("/", minor=0))
    assert client.read_response().field("Connection") == "close"
    assert client.ended()


def test_connection_close_of_the_client_closes_only_its_own_connection(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    answer = client.get("/", "Connection: close")
    assert answer.field("Connection") == "close"
    assert client.ended()
    assert here.connect().get().status == 200
    assert here.upstream.accepted == 1
