"""A request whose body isn't held gets its 401 at once; the token is replaced for the next one."""

from __future__ import annotations

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import RawClient
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
from tests.fakes.scripted_upstream import Conversation, response


def _early(conversation: Conversation) -> None:
    """Refuses by the head alone, as servers do that are asked whether to go on."""
    while (received := conversation.read_head()) is not None:
        if not knows(NEW)(received):
            conversation.send(refusal())
            conversation.wait_gone()
            return
        conversation.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        received.body = b"".join(conversation.read_body(received))
        conversation.send(response(b"ok"))


def _again(client: RawClient) -> None:
    assert client.get("/next").status == 200


def test_a_long_body(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x", "Content-Length: 200000", method="PUT"))
    for _ in range(4):
        client.send(b"x" * 50_000)
    assert client.read_response().status == 401
    until_asked(here.worker)
    renew(here.worker)
    _again(here.connect())
    assert [request.target for request in here.upstream.requests] == ["/x", "/next"]
    assert here.worker.stats().unauthorized == {"not_held": 1}


def test_a_body_that_is_still_to_come(lab: StartLab) -> None:
    here = lab(_early, route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x", "Content-Length: 10", method="POST") + b"abc")
    assert client.read_response().status == 401
    until_asked(here.worker)
    assert here.worker.stats().unauthorized == {"not_held": 1}


def test_a_body_that_waits_to_be_asked_for(lab: StartLab) -> None:
    here = lab(_early, route=attached(OLD))
    lines = ("Content-Length: 10", "Expect: 100-continue")
    client = here.connect()
    client.send(client.head("/x", *lines, method="POST"))
    assert client.read_response().status == 401
    until_asked(here.worker)
    renew(here.worker)
    other = here.connect()
    other.send(other.head("/x", *lines, method="POST"))
    assert other.read_head().startswith(b"HTTP/1.1 100 ")
    other.send(b"0123456789")
    assert other.read_response().body == b"ok"
    assert here.worker.stats().unauthorized == {"not_held": 1}


def test_an_answer_that_has_begun(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            conversation.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            conversation.send(response(b"ok") if knows(NEW)(received) else refusal())

    here = lab(script, route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    assert client.read_head().startswith(b"HTTP/1.1 103 ")
    assert client.read_response().status == 401
    assert here.worker.stats().unauthorized == {"not_held": 1}
