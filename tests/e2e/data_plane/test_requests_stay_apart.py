"""Whatever an upstream may do with its connection, no request's bytes become part of another."""

from __future__ import annotations

import os
import signal
import threading
import time

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, response, wait_until

LONG = 40_000


def answer_first(conversation: Conversation) -> None:
    """Answers on the head alone, keeps the connection, and reads the body afterwards."""
    while (request := conversation.read_head()) is not None:
        conversation.send(response(request.fields["x-name"].encode()))
        request.body = b"".join(conversation.read_body(request))


def test_an_early_answer_and_the_last_of_the_body_in_one_turn(lab: StartLab) -> None:
    answer = threading.Event()

    def answers_when_told(conversation: Conversation) -> None:
        while (request := conversation.read_head()) is not None:
            if request.fields["x-name"] == "long":
                answer.wait(10)
            conversation.send(response(request.fields["x-name"].encode()))
            request.body = b"".join(conversation.read_body(request))

    here = lab(answers_when_told)
    client = here.connect()
    client.get("/warm", "X-Name: warm")
    head = client.head("/long", "X-Name: long", f"Content-Length: {LONG}", method="POST")
    client.send(head + b"a" * 1000)
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 2)
    # The worker finds the last piece with the next request, and behind them the answer.
    os.kill(here.worker.pid, signal.SIGSTOP)
    client.send(b"b" * (LONG - 1000) + client.head("/next", "X-Name: next"))
    answer.set()
    time.sleep(0.05)
    os.kill(here.worker.pid, signal.SIGCONT)
    assert client.read_response().body == b"long"
    here.connect().get("/other", "X-Name: other")
    bodies = {request.fields["x-name"]: request.body for request in here.upstream.requests}
    assert bodies["long"] in (b"", b"a" * 1000 + b"b" * (LONG - 1000))
    assert not bodies.get("next")
    assert not bodies["other"]


def test_a_get_with_a_body_ends_the_upstream_connection(lab: StartLab) -> None:
    here = lab(answer_first)
    client = here.connect()
    client.send(client.head("/", "X-Name: first", "Content-Length: 4") + b"body")
    assert client.read_response().body == b"first"
    assert here.connect().get("/", "X-Name: second").body == b"second"
    first, second = here.upstream.requests
    assert first.fields["connection"] == "close"
    assert first.connection != second.connection


def test_an_excess_response_in_a_record_of_its_own_reaches_nobody(lab: StartLab) -> None:
    def answers_twice(conversation: Conversation) -> None:
        while (request := conversation.read_request()) is not None:
            target = request.head.split()[1]
            # Two records at once: what comes after the next request was written can't be told
            # from its answer by anybody.
            conversation._tls.write(response(target))
            excess = response(b"not asked for") if target == b"/trigger" else b""
            conversation.send(excess) if excess else conversation._flush()

    here = lab(answers_twice)
    client = here.connect()
    client.get("/warm")
    client.send(client.head("/trigger") + client.head("/second"))
    assert client.read_response().body == b"/trigger"
    assert client.read_response().body == b"/second"
    for number in range(30):
        with here.worker.connect() as attacker:
            attacker.get("/trigger")
        with here.worker.connect() as victim:
            assert victim.get(f"/{number}").body == b"/%d" % number


def test_a_request_whose_headers_went_away_during_its_dial_is_not_sent(lab: StartLab) -> None:
    here = lab(answer_first)
    os.kill(here.worker.pid, signal.SIGSTOP)
    client = here.connect()
    client.send(client.head("/", "X-Name: late"))
    os.kill(here.worker.pid, signal.SIGCONT)
    here.worker.change(headers=(), redact=(), unavailable="the secret planner-token is not set")
    answer = client.read_response()
    sent = [request.fields for request in here.upstream.requests]
    assert answer.status == 503 or all("authorization" in fields for fields in sent)


def test_dials_that_nobody_waits_for_any_more_are_given_up(lab: StartLab) -> None:
    here = lab(answer_first)

    class Silent(Conversation):
        def handshake(self) -> None:
            self.wait_gone()

    here.upstream.conversation = Silent
    for _ in range(20):
        with here.worker.connect() as client:
            client.send(client.head("/", "X-Name: x"))
    wait_until(lambda: not here.worker.stats().connections)
