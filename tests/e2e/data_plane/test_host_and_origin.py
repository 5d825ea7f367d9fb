"""Web pages and foreign names stay outside."""

from __future__ import annotations

import json

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, echo


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80"])
def test_an_unknown_host_is_misdirected(lab: StartLab, host: str) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.host = host
    answer = client.get()
    assert (answer.status, json.loads(answer.body)["stage"]) == (421, "request")
    assert here.upstream.requests == []
    assert here.worker.stats().rejected == {"unknown_host": 1}


@pytest.mark.parametrize("lines", [[], ["Host:"], ["Host: a b"], ["Host: {}", "Host: {}"]])
def test_a_missing_or_malformed_host_is_a_bad_request(lab: StartLab, lines: list[str]) -> None:
    here = lab(answering(echo))
    client = here.connect()
    head = "\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).format(client.host, client.host)
    client.send(head.encode())
    assert client.read_response().status == 400
    assert client.ended()
    assert here.upstream.requests == []


@pytest.mark.parametrize(
    "lines",
    [
        ["Origin: http://evil.example"],
        ["Origin: null"],
        ["Origin: {own}", "Origin: {own}"],
        ["Origin: {own}, http://evil.example"],
        ["Origin: https://{host}"],
        ["Origin: http://127.0.0.1"],
        ["Origin:"],
        ["Sec-Fetch-Site: cross-site"],
        ["Origin: {own}", "Sec-Fetch-Site: Cross-Site"],
    ],
)
def test_a_foreign_origin_is_forbidden(lab: StartLab, lines: list[str]) -> None:
    here = lab(answering(echo))
    client = here.connect()
    filled = [line.format(host=client.host, own=f"http://{client.host}") for line in lines]
    answer = client.get("/", *filled)
    assert answer.status == 403
    assert answer.field("Access-Control-Allow-Origin") is None
    assert here.upstream.requests == []


def test_our_own_origin_and_no_origin_are_let_in(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    assert client.get("/", f"Origin: http://{client.host}").status == 200
    assert client.get("/", "Sec-Fetch-Site: same-origin").status == 200
    assert client.get().status == 200
    client.host = client.host.replace("127.0.0.1", "LOCALHOST")
    assert client.get().status == 200


def test_a_refused_request_with_a_body_ends_the_connection(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    answer = client.post(b"GET / HTTP/1.1\r\n\r\n", "/", "Origin: null")
    assert (answer.status, answer.field("Connection")) == (403, "close")
    assert client.ended()


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_are_not_forwarded(lab: StartLab, method: str) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(client.head(method=method))
    assert client.read_response().status == 403
    assert here.upstream.requests == []
