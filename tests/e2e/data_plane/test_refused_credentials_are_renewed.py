"""After a 401 to the route's own token a request waits for another one, and is sent once more."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import DEADLINE_S, RawClient
from tests.fakes.refusing_upstream import (
    NEW,
    OLD,
    attached,
    knows,
    refusal,
    renew,
    until_asked,
    welcoming,
)
from tests.fakes.scripted_upstream import Conversation, Script, response


def _tokens(here: Lab) -> list[str]:
    return [
        request.fields["authorization"].removeprefix("Bearer ")
        for request in here.upstream.requests
    ]


def _get(client: RawClient) -> bytes:
    return client.head("/x")


def _post(client: RawClient) -> bytes:
    return client.post_bytes(b"{}", "/x")


def _chunked(client: RawClient) -> bytes:
    head = client.head("/x", "Transfer-Encoding: chunked", method="POST")
    return head + b"2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("ask", "answer"), [(_get, b"GET "), (_post, b"POST {}"), (_chunked, b"POST {}")]
)
def test_a_request_that_is_held_whole(
    lab: StartLab, ask: Callable[[RawClient], bytes], answer: bytes
) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = here.connect()
    client.send(ask(client))
    until_asked(here.worker)
    renew(here.worker)
    reply = client.read_response()
    assert (reply.status, reply.body) == (200, answer)
    assert _tokens(here) == [OLD, NEW]
    first, second = here.upstream.requests
    assert first.connection == second.connection, "the refusal was whole, and its connection kept"
    (line,) = here.worker.access_log(1)
    assert (line["status"], line["token_refreshed"], line["replayed"]) == (200, True, False)
    stats = here.worker.stats()
    assert (stats.unauthorized, stats.retries) == ({"repeated": 1}, {"unauthorized": 1})
    assert stats.requests == {"200": 1}


def test_a_body_that_came_behind_its_head(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = here.connect()
    body = b"x" * 30_000
    client.send(client.head("/x", f"Content-Length: {len(body)}", method="POST"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    client.send(body)
    until_asked(here.worker)
    renew(here.worker)
    assert client.read_response().body == b"POST " + body
    assert _tokens(here) == [OLD, NEW]
    (line,) = here.worker.access_log(1)
    assert line["bytes_up"] == len(body)


def test_a_head_request(lab: StartLab) -> None:
    here = lab(welcoming(NEW, refused=refusal(b"")), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x", method="HEAD"))
    until_asked(here.worker)
    renew(here.worker)
    assert client.read_response(method="HEAD").status == 200
    assert client.get("/y").body == b"GET "


def test_all_that_wait_and_what_is_pipelined_behind(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    clients = [here.connect() for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(client.head(f"/{number}") + client.head(f"/{number}/next"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == len(clients))
    until_asked(here.worker)
    renew(here.worker)
    for client in clients:
        assert client.read_response().status == 200
        assert client.read_response().status == 200
    ledger = Counter(request.target for request in here.upstream.requests)
    assert ledger == {f"/{n}": 2 for n in range(4)} | {f"/{n}/next": 1 for n in range(4)}
    assert len(here.worker.events("unauthorized")) == 1


def test_one_that_was_refused_while_the_next_token_came_is_repeated_at_once(lab: StartLab) -> None:
    here = lab(_held_back(), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.worker.change(**attached(NEW))
    other = here.connect()
    assert other.get("/go").status == 200
    assert client.read_response().status == 200
    assert here.worker.events("unauthorized") == []
    assert here.worker.stats().unauthorized == {"repeated": 1}


def _held_back() -> Script:
    """Refuses the old token, but not before somebody comes with the new one."""
    came = threading.Event()

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if knows(NEW)(received):
                came.set()
            came.wait(DEADLINE_S)
            conversation.send(response(b"ok") if knows(NEW)(received) else refusal())

    return script
