"""OPTIONS with `Max-Forwards` is counted down, and answered here when the count is at its end."""

from __future__ import annotations

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, echo


def test_it_is_forwarded_with_one_less(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(client.head("*", "Max-Forwards: 2", method="OPTIONS"))
    assert client.read_response().status == 200
    (received,) = here.upstream.requests
    assert (received.target, received.fields["max-forwards"]) == ("*", "1")


def test_at_its_end_it_is_answered_here(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(
        client.head("/", "Max-Forwards: 0", method="OPTIONS")
        + client.head("/", "Max-Forwards: 0")  # GET has no count
    )
    assert client.read_response(method="OPTIONS").status == 204
    assert client.read_response().status == 200
    (received,) = here.upstream.requests
    assert (received.method, received.fields["max-forwards"]) == ("GET", "0")
    first, _ = here.worker.access_log(2)
    assert (first["status"], first["method"]) == (204, "OPTIONS")


def test_a_body_that_came_with_it_ends_the_connection(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(
        client.head("/", "Max-Forwards: 0", "Content-Length: 50", method="OPTIONS")
        + client.head("/smuggled")
    )
    assert client.read_response(method="OPTIONS").field("Connection") == "close"
    assert client.ended()
    assert here.upstream.accepted == 0


def test_whoever_may_not_ask_is_not_answered(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(
        client.head("/", "Max-Forwards: 0", "Origin: http://evil.example", method="OPTIONS")
    )
    assert client.read_response().status == 403
