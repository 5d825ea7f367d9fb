"""A 401 goes to the client where no other credentials come, and nothing is tried in a loop."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Response
from tests.fakes.refusing_upstream import (
    NEW,
    OLD,
    attached,
    refusal,
    renew,
    tell_renewed,
    until_asked,
    welcoming,
)
from tests.fakes.scripted_upstream import Conversation, answering, fixed, response


def _is_the_refusal(reply: Response) -> bool:
    assert reply.field("WWW-Authenticate") == 'Bearer scope="a"'
    return (reply.status, reply.body) == (401, b"who are you")


def test_the_same_ones_again(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    tell_renewed(here.worker)
    assert _is_the_refusal(client.read_response())
    for _ in range(5):
        assert _is_the_refusal(client.get("/x"))
    assert len(here.upstream.requests) == 6
    assert len(here.worker.events("unauthorized")) == 1
    assert here.worker.stats().unauthorized == {"unchanged": 6}
    assert {line["token_refreshed"] for line in here.worker.access_log(6)} == {False}


def test_others_are_refused_too(lab: StartLab) -> None:
    here = lab(fixed(refusal()), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    renew(here.worker)
    assert _is_the_refusal(client.read_response())
    for _ in range(3):
        assert _is_the_refusal(client.get("/x"))
    assert len(here.upstream.requests) == 2 + 3
    assert here.worker.stats().unauthorized == {"repeated": 1, "again": 1, "unchanged": 3}


def test_no_answer_comes(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    assert _is_the_refusal(here.connect().get("/x"))
    assert here.worker.stats().unauthorized == {"too_late": 1}
    assert len(here.upstream.requests) == 1


def test_the_route_has_none(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    here.worker.change(unavailable="the token has ended")
    assert _is_the_refusal(client.read_response())


@pytest.mark.parametrize("change", [{"refreshable": False}, {"headers": (), "redact": ()}])
def test_a_route_that_attaches_nothing_to_be_had_anew(
    lab: StartLab, change: dict[str, object]
) -> None:
    here = lab(fixed(refusal()), route=attached(OLD) | {"refreshable": False} | change)
    assert _is_the_refusal(here.connect().get("/x"))
    assert here.worker.events("unauthorized") == []
    assert here.worker.stats().unauthorized == {}


def test_another_status_is_none_of_ours(lab: StartLab) -> None:
    challenge = 'WWW-Authenticate: Bearer error="insufficient_scope", scope="b"'
    here = lab(fixed(response(b"no", challenge, status="403 Forbidden")), route=attached(OLD))
    reply = here.connect().get("/x")
    assert (reply.status, reply.body) == (403, b"no")
    assert reply.field("WWW-Authenticate") == challenge.partition(": ")[2]
    assert here.worker.events("unauthorized") == []
    assert len(here.upstream.requests) == 1


def test_a_refusal_of_any_length_and_end_is_passed_on_whole(lab: StartLab) -> None:
    body = b"y" * 300_000

    def until_close(conversation: Conversation) -> None:
        while conversation.read_request() is not None:
            conversation.send(b"HTTP/1.1 401 Unauthorized\r\n\r\n" + body)
            return conversation.close()
        return None

    here = lab(until_close, route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    tell_renewed(here.worker)
    reply = client.read_response()
    assert (reply.status, reply.body) == (401, body)


def test_a_refusal_whose_body_is_on_its_way_leaves_no_trace(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.fields["authorization"].endswith(NEW):
                conversation.send(response(b"ok"))
            else:
                conversation.send(refusal(b"z" * 100)[:-50])
                conversation.wait_gone()
                return

    here = lab(script, route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    renew(here.worker)
    assert client.read_response().body == b"ok"
    first, second = here.upstream.requests
    assert first.connection != second.connection


def test_a_redaction_holds_for_the_token_that_was_refused(lab: StartLab) -> None:
    def tells(received: object) -> bytes:
        return refusal(b"", f"X-Echo: {OLD}")

    here = lab(answering(tells), route=attached(OLD))
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    tell_renewed(here.worker)
    assert OLD.encode() not in client.read_response().raw_head
