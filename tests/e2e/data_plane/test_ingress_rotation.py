"""New handshakes show the new certificate at once; old connections end by their next response, and
at the latest with the first certificate that they were made with.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from datetime import timedelta

import pytest
from cryptography import x509

from tests.e2e.data_plane.conftest import CALLER, Door, StartDoor
from tests.fakes.authority import Authority
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, answering, echo, response, wait_until
from tests.fakes.tls_client import TlsClient

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def shown(client: TlsClient) -> int:
    """Serial number of the certificate that the ingress showed."""
    der = client.tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def streaming(conversation: Conversation) -> None:
    conversation.read_head()
    conversation.send(STREAM)
    while True:
        conversation.send(b"3\r\nabc\r\n")
        if conversation._upstream._closing:
            return
        time.sleep(0.05)


def test_new_handshakes_show_the_new_certificate(door: StartDoor) -> None:
    here = door(answering(echo))
    assert shown(here.call()) == here.worker.serial
    for _ in range(3):
        serial = here.worker.rotate()
        client = here.call()
        assert shown(client) == serial
        assert client.get().status == 200


def test_an_old_connection_serves_one_more_request_and_says_so(door: StartDoor) -> None:
    here = door(answering(echo))
    client = here.call()
    assert client.get().field("connection") is None
    here.worker.rotate()
    answer = client.post(b"x" * 100_000)
    assert (answer.status, len(answer.body)) == (200, 100_000)
    assert answer.field("connection") == "close"
    assert client.read_to_end() == b"", "with a farewell"


def test_a_renewal_in_the_middle_of_a_response_doesnt_take_its_word_back(door: StartDoor) -> None:
    """The head said that the connection is kept, so the next request may be on its way already."""
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(STREAM)
        assert go.wait(5)
        conversation.send(b"0\r\n\r\n")
        while conversation.read_request() is not None:
            conversation.send(response(b"next"))

    here = door(script)
    client = here.call()
    client.send(client.head("/events"))
    assert b"connection: close" not in client.read_head().lower()
    here.worker.rotate()
    go.set()
    assert client.read_chunk() == b""
    assert client.is_quiet()
    answer = client.post(b"work")
    assert (answer.body, answer.field("connection")) == (b"next", "close")
    assert client.ended()


def test_the_agent_s_connection_outlives_the_rotation(door: StartDoor) -> None:
    here = door(answering(echo))
    for _ in range(3):
        assert here.call().get().status == 200
        here.worker.rotate()
    assert here.agent.accepted == 1


def test_rotations_under_load_fail_no_request(door: StartDoor, authority: Authority) -> None:
    here = door(answering(echo))
    stop = threading.Event()
    statuses: list[int] = []

    def work() -> None:
        leaf = authority.issue(CALLER)
        client = here.call(leaf)
        while not stop.is_set():
            answer = client.post(b"x" * 100)
            statuses.append(answer.status)
            if answer.field("connection") == "close":
                client = here.call(leaf)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for number in range(1, 11):
        here.worker.rotate()
        wait_until(lambda number=number: len(statuses) >= 5 * number)  # type: ignore[misc]
    stop.set()
    for worker in workers:
        worker.join(5)
    assert set(statuses) == {200}
    assert here.worker.stats().failures == {}


@pytest.mark.parametrize("busy", [False, True])
def test_a_connection_ends_with_our_certificate(door: StartDoor, busy: bool) -> None:
    here = door(streaming)
    not_after = time.time() + 1.2
    here.worker.rotate(not_after=not_after)
    client = here.call()
    here.worker.rotate()
    _ends(client, busy)
    assert not_after <= time.time() < not_after + 1.5
    wait_until(lambda: here.worker.worker_stats().open_connections == 0)


@pytest.mark.parametrize("busy", [False, True])
def test_a_connection_ends_with_the_caller_s_certificate(
    door: StartDoor, authority: Authority, busy: bool
) -> None:
    here = door(streaming)
    leaf = authority.issue(CALLER, ends=timedelta(seconds=2))
    client = here.call(leaf)
    _ends(client, busy)
    assert leaf.not_after <= time.time() < leaf.not_after + 1.5
    wait_until(lambda: here.worker.worker_stats().open_connections == 0)


def _ends(client: TlsClient, busy: bool) -> None:
    """The connection, regularly or in the middle of a stream, which then looks incomplete."""
    if not busy:
        assert client.read_to_end() == b""
        return
    client.send(client.head())
    with pytest.raises(Truncated):
        client.read_response()


def test_a_request_that_was_not_answered_is_told(door: StartDoor, authority: Authority) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        ends.append(conversation.wait_gone())

    here = door(script)
    client = here.call(authority.issue(CALLER, ends=timedelta(seconds=1)))
    client.send(client.head())
    answer = client.read_response()
    problem = json.loads(answer.body)
    assert (answer.status, problem["stage"]) == (502, "certificate")
    here.agent.wait_for(lambda _: len(ends) == 1)


def test_requests_behind_it_are_not_served_any_more(door: StartDoor, authority: Authority) -> None:
    """A caller that always has a request under way doesn't outlive its certificate."""

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.target == "/slow":
                conversation.wait_gone()
                return
            conversation.send(response(b"served"))

    here = door(script)
    client = here.call(authority.issue(CALLER, ends=timedelta(seconds=1)))
    client.send(client.head("/slow") + client.head("/behind"))
    answer = client.read_response()
    assert (answer.status, answer.field("connection")) == (502, "close")
    assert client.read_to_end() == b""
    assert [request.target for request in here.agent.requests] == ["/slow"]


def test_nobody_is_let_in_by_an_expired_certificate_of_ours(door: StartDoor) -> None:
    here = door(answering(echo))
    here.worker.expire()
    assert _is_turned_away(here)
    wait_until(lambda: bool(here.worker.events("identity_expired")))
    serial = here.worker.rotate()
    assert shown(here.call()) == serial


def test_nor_without_one(door: StartDoor) -> None:
    here = door(answering(echo), identity=False)
    assert _is_turned_away(here)
    wait_until(lambda: bool(here.worker.events("identity_expired")))
    (told,) = here.worker.events("identity_expired")
    assert told["generation"] == 0


def _is_turned_away(here: Door) -> bool:
    try:
        here.call()
    except (OSError, ssl.SSLError):
        return True
    return False


def test_a_failed_renewal_leaves_connections_alone(door: StartDoor) -> None:
    """The supervisor takes the identity away when it is of no use any more."""
    here = door(answering(echo))
    client = here.call()
    client.get()
    here.worker.identity = None
    here.worker.change(reason="the issuer is down")
    assert client.get().status == 200
    assert _is_turned_away(here)
