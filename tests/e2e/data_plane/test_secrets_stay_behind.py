"""A route's token goes to the route's upstream only, and no head of a response shows it to the
client, whatever the upstream does with it.
"""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, Received, answering, response
from tests.fakes.worker_rig import TOKEN

ENCODED = "".join(f"%{byte:02X}" for byte in TOKEN.encode())


def heads_of_an_echo(conversation: Conversation) -> None:
    """Shows the token wherever a head can hold it, byte by byte."""
    while (request := conversation.read_request()) is not None:
        token = request.fields["authorization"].removeprefix("Bearer ")
        answer = (
            f"HTTP/1.1 103 {token}\r\nLink: <{token}>\r\n\r\n"
            f"HTTP/1.1 401 no {token}\r\nX-Echo: Bearer {token}\r\nX-{token}: 1\r\n"
            f"Location: https://elsewhere.example/?t={ENCODED}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
            f"X-Sum: {token}\r\nX-{token}: 1\r\n\r\n"
        )
        conversation.send_each(answer.encode())


def test_no_head_shows_the_token(lab: StartLab) -> None:
    client = lab(heads_of_an_echo).connect()
    client.send(client.head())
    got = client.read_head() + client.read_head() + client.read_until(b"\r\n0\r\n")
    got += client.read_until(b"\r\n\r\n")
    assert TOKEN.encode() not in got
    assert ENCODED.encode() not in got
    assert got.count(b"[redacted]") == 6
    assert got.endswith(b"2\r\nok\r\n0\r\nX-Sum: [redacted]\r\n\r\n")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "http://127.0.0.1:{other}/", "//h/"]
)
def test_a_redirect_is_the_clients_to_follow(lab: StartLab, elsewhere: str) -> None:
    other = lab(answering(lambda received: response(received.head)))
    location = elsewhere.format(other=other.worker.ports[0])
    here = lab(
        answering(lambda _: response(b"", f"Location: {location}", status="307 Temporary Redirect"))
    )
    answer = here.connect().get("/a")
    assert (answer.status, answer.field("Location")) == (307, location)
    assert here.upstream.accepted == 1
    assert other.upstream.accepted == 0


@pytest.mark.parametrize("method", ["TRACE", "trace", "TrAcE"])
def test_trace_does_not_reach_an_upstream_that_would_tell(lab: StartLab, method: str) -> None:
    here = lab(answering(lambda received: response(received.head)))
    client = here.connect()
    client.send(client.head(method=method))
    answer = client.read_response()
    assert answer.status == 403
    assert TOKEN.encode() not in answer.raw_head + answer.body
    assert here.upstream.accepted == 0


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("form", ["/", "http://{host}/"])
def test_the_upstream_gets_the_routes_token_and_no_other(
    lab: StartLab, minor: int, form: str
) -> None:
    seen: list[Received] = []

    def answer(received: Received) -> bytes:
        seen.append(received)
        return response(b"ok")

    here = lab(answering(answer))
    client = here.connect()
    mine = [
        "Authorization: Bearer mine",
        "AUTHORIZATION: Bearer mine",
        "authorization_: Bearer mine",
        "Author.ization: Bearer mine",
        "Proxy-Authorization: Bearer mine",
        "X-Api-Key: mine",
        "X_API.KEY: mine",
        "Cookie: mine=1",
        "X-Forwarded-Client-Cert: mine",
        "X-Devwiz-Gw-Token: mine",
    ]
    client.send(client.head(form.format(host=client.host), *mine, minor=minor))
    assert client.read_response().status == 200
    assert b"mine" not in seen[0].head
    assert seen[0].head.count(TOKEN.encode()) == 1
    assert seen[0].fields["authorization"] == f"Bearer {TOKEN}"
