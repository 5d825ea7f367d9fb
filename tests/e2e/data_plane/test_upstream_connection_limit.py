"""A route opens so many connections and no more: further requests wait in line, or get 503."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, response, wait_until


class Turnstile:
    """Answers each request when it is told to."""

    def __init__(self) -> None:
        self._may_go = threading.Semaphore(0)

    def script(self, conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            assert self._may_go.acquire(timeout=10)
            conversation.send(response(received.target.encode()))

    def let(self, count: int) -> None:
        self._may_go.release(count)


def ask(here: Lab, target: str) -> RawClient:
    client = here.connect()
    client.send(client.head(target))
    return client


def asked(here: Lab, count: int) -> Callable[[], bool]:
    return lambda: len(here.upstream.requests) == count


def active(here: Lab, count: int) -> None:
    wait_until(lambda: here.worker.stats().active == count)


def test_those_who_wait_are_served_in_order_on_the_connections_that_there_are(
    lab: StartLab,
) -> None:
    turnstile = Turnstile()
    here = lab(turnstile.script, limits=LimitsSpec(max_upstream_connections=2))
    clients = []
    for number in range(6):
        clients.append(ask(here, f"/{number}"))
        active(here, number + 1)
    wait_until(asked(here, 2))
    assert here.upstream.accepted == 2
    for number in range(1, 5):
        turnstile.let(1)
        wait_until(asked(here, 2 + number))
    turnstile.let(2)
    bodies = [client.read_response().body.decode() for client in clients]
    assert bodies == [f"/{number}" for number in range(6)]
    assert [received.target for received in here.upstream.requests[2:]] == bodies[2:]
    assert here.upstream.accepted == 2


def test_a_line_that_is_too_long_is_refused(lab: StartLab) -> None:
    turnstile = Turnstile()
    limits = LimitsSpec(max_upstream_connections=1, max_waiting_requests=1)
    here = lab(turnstile.script, limits=limits)
    first, second = ask(here, "/1"), ask(here, "/2")
    active(here, 2)
    third = here.connect()
    answer = third.get("/3")
    assert (answer.status, answer.field("Retry-After")) == (503, "2")
    assert "too many requests wait" in json.loads(answer.body)["detail"]
    turnstile.let(2)
    assert first.read_response().body == b"/1"
    assert second.read_response().body == b"/2"
    turnstile.let(1)
    assert third.get("/3").status == 200, "on the connection that was refused before"


def test_nobody_waits_for_ever(lab: StartLab) -> None:
    turnstile = Turnstile()
    limits = LimitsSpec(max_upstream_connections=1, connect_timeout_s=0.3)
    here = lab(turnstile.script, limits=limits)
    first = ask(here, "/1")
    wait_until(asked(here, 1))
    answer = ask(here, "/2").read_response()
    assert answer.status == 503
    assert "became free in time" in json.loads(answer.body)["detail"]
    turnstile.let(1)
    assert first.read_response().status == 200


def test_whoever_leaves_the_line_is_not_served(lab: StartLab) -> None:
    turnstile = Turnstile()
    here = lab(turnstile.script, limits=LimitsSpec(max_upstream_connections=1))
    first, second = ask(here, "/1"), ask(here, "/2")
    active(here, 2)
    third = ask(here, "/3")
    active(here, 3)
    second.close()
    active(here, 2)
    turnstile.let(2)
    assert first.read_response().body == b"/1"
    assert third.read_response().body == b"/3"
    assert [received.target for received in here.upstream.requests] == ["/1", "/3"]


def test_a_connection_that_breaks_makes_room(lab: StartLab) -> None:
    def breaks(conversation: Conversation) -> None:
        conversation.read_request()
        if conversation.number == 1:
            time.sleep(0.3)
            conversation.reset()
        else:
            conversation.send(response(b"second"))
            conversation.wait_gone()

    here = lab(breaks, limits=LimitsSpec(max_upstream_connections=1))
    first, second = ask(here, "/1"), ask(here, "/2")
    assert first.read_response().status == 502
    assert second.read_response().body == b"second"


def test_the_line_is_told_when_the_route_goes(lab: StartLab) -> None:
    turnstile = Turnstile()
    here = lab(turnstile.script, limits=LimitsSpec(max_upstream_connections=1))
    first, second = ask(here, "/1"), ask(here, "/2")
    active(here, 2)
    wait_until(asked(here, 1))
    here.worker.change(unavailable="a secret is missing")
    answer = second.read_response()
    assert (answer.status, json.loads(answer.body)["detail"]) == (503, "a secret is missing")
    turnstile.let(1)
    assert first.read_response().status == 200


def test_a_storm_shakes_hands_with_few_at_a_time(lab: StartLab) -> None:
    turnstile = Turnstile()
    here = lab(turnstile.script, limits=LimitsSpec(max_handshakes=2))
    clients = [ask(here, f"/{number}") for number in range(20)]
    wait_until(asked(here, 20))
    turnstile.let(20)
    assert [client.read_response().status for client in clients] == [200] * 20
    assert here.upstream.accepted == 20
