"""1xx responses are relayed as they come, to those who can read them, and not without end."""

from __future__ import annotations

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, response

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_the_body_is_sent_after_the_upstream_s_100(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_head()
        assert received is not None
        assert received.fields["expect"] == "100-continue"
        conversation.send(CONTINUE)
        body = b"".join(conversation.read_body(received))
        conversation.send(response(body))
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    assert client.read_head() == CONTINUE
    client.send(b"hello")
    assert client.read_response().body == b"hello"


def test_a_refusal_instead_of_100_reaches_the_client(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(response(b"no", status="417 Expectation Failed"))
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    answer = client.read_response()
    assert (answer.status, answer.body) == (417, b"no")
    assert answer.field("Connection") == "close"
    assert client.ended()


def test_early_hints_come_before_the_answer(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HINTS)
        conversation.send(CONTINUE + HINTS + response(b"ok"))
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head())
    assert client.read_head() == HINTS
    assert client.read_head() == CONTINUE
    assert client.read_head() == HINTS
    assert client.read_response().body == b"ok"


def test_an_http_1_0_client_gets_no_interim_response(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HINTS)
        conversation.send(CONTINUE + response(b"ok"))
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head(minor=0))
    assert client.read_response().body == b"ok"


def test_a_flood_of_interim_responses_is_refused(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        while True:  # until the worker ends it
            conversation.send(CONTINUE)

    client = lab(script).connect()
    client.send(client.head())
    passed = 0
    while (head := client.read_head()) == CONTINUE:
        passed += 1
    assert passed == 32
    assert head.startswith(b"HTTP/1.1 502 ")
