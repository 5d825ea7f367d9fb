"""Each failure becomes one whole, parseable answer."""

from __future__ import annotations

import json

import h11
import pytest

from gateway.data_plane.failure import (
    Failure,
    Missed,
    is_server_fault,
    most_telling,
    problem_response,
)

STATUSES = {
    "bad_request": 400,
    "refused_method": 403,
    "foreign_origin": 403,
    "unknown_host": 421,
    "overloaded": 503,
    "draining": 503,
    "no_identity": 503,
    "identity_expired": 503,
    "route_unavailable": 503,
    "unresolved": 502,
    "unreachable": 502,
    "tls_failed": 502,
    "peer_rejected": 502,
    "certificate_refused": 502,
    "upstream_closed": 502,
    "bad_response": 502,
    "bad_agent_card": 502,
    "connect_timeout": 504,
    "tls_timeout": 504,
    "response_timeout": 504,
}


def read(answer: bytes, *, method: str = "GET") -> tuple[h11.Response, bytes, bytes]:
    """The response, its body and what follows, as a client reads them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return response, body, client.trailing_data[0]


@pytest.mark.parametrize("reason", STATUSES)
def test_the_answer_says_what_failed_and_what_to_do(reason: str) -> None:
    failure = Failure(reason, 'a "detail" — with marks\r\nSet-Cookie: x')
    answer = problem_response(
        failure, now=784_111_777, request_id=b"r-1", route="planner", with_body=True, connection=b""
    )
    response, body, rest = read(answer)
    assert (response.status_code, rest) == (STATUSES[reason], b"")
    assert response.reason
    fields = dict(response.headers)
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"cache-control"] == b"no-store"
    assert fields[b"x-request-id"] == b"r-1"
    assert fields[b"date"] == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert b"set-cookie" not in fields
    problem = json.loads(body)
    assert problem["type"] == f"urn:devwiz-gw:problem:{reason}"
    assert (problem["status"], problem["detail"]) == (response.status_code, failure.detail)
    assert (problem["route"], problem["request_id"]) == ("planner", "r-1")
    assert all(problem[key] for key in ("title", "stage", "remedy"))


def test_the_answer_to_head_has_the_length_and_no_body() -> None:
    answer = problem_response(
        Failure("unreachable", "x"),
        now=0,
        request_id=b"r",
        route="p",
        with_body=False,
        connection=b"Connection: close\r\n",
    )
    assert answer.endswith(b"\r\n\r\n")
    response, body, _ = read(answer, method="HEAD")
    fields = dict(response.headers)
    assert int(fields[b"content-length"]) > 0
    assert fields[b"connection"] == b"close"
    assert body == b""


def test_a_wait_is_told_when_there_is_one() -> None:
    def retry_after(failure: Failure) -> bytes | None:
        answer = problem_response(
            failure, now=0, request_id=b"r", route="p", with_body=True, connection=b""
        )
        return dict(read(answer)[0].headers).get(b"retry-after")

    assert retry_after(Failure("overloaded", "x", 7)) == b"7"
    assert retry_after(Failure("overloaded", "x")) is None


@pytest.mark.parametrize(("reason", "status"), STATUSES.items())
def test_a_fault_is_ours_from_500_on(reason: str, status: int) -> None:
    assert is_server_fault(reason) is (status >= 500)


def test_a_reason_without_an_answer_is_no_fault() -> None:
    assert not is_server_fault("client_closed")


def test_of_several_addresses_the_one_that_came_farthest_is_told_of() -> None:
    refused = Missed("10.0.0.1:443", Failure("unreachable", "10.0.0.1:443 refused"), b"one")
    named = Missed("10.0.0.2:443", Failure("peer_rejected", "it is dns:other"), b"two")
    late = Missed("10.0.0.3:443", Failure("connect_timeout", "no answer"), b"three")
    told = most_telling([refused, named, late])
    assert (told.address, told.label) == ("10.0.0.2:443", b"two")
    assert told.failure == Failure(
        "peer_rejected", "it is dns:other; no better: 10.0.0.1:443 refused; 10.0.0.3:443: no answer"
    )
    assert most_telling([late]) is late


def test_of_many_addresses_some_are_named() -> None:
    missed = [Missed(f"a{n}", Failure("unreachable", f"a{n} is off")) for n in range(9)]
    assert most_telling(missed).failure.detail == (
        "a0 is off; no better: a1 is off; a2 is off; a3 is off; a4 is off and 4 more"
    )
