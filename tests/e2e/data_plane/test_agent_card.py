"""An agent's card reaches clients whole, mapped and with a head that fits, or not at all."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.e2e.data_plane.conftest import Lab, StartDoor, StartLab
from tests.fakes.raw_client import Response
from tests.fakes.scripted_upstream import (
    Conversation,
    Received,
    answering,
    chunks,
    response,
    wait_until,
)

CARD = "/.well-known/agent-card.json"
JSON = "Content-Type: application/json"
REWRITES: dict[str, Any] = {"agent_card": "rewrite"}


def card_of(port: int, **more: Any) -> bytes:
    return json.dumps({"name": "planner", "url": f"https://localhost:{port}/a2a"} | more).encode()


def run(lab: StartLab, answer: Any, **route: Any) -> Lab:
    """An agent that answers with what `answer` makes of the request and the agent's port."""
    ports: list[int] = []

    def script(conversation: Conversation) -> None:
        ports.append(conversation.socket.getsockname()[1])
        answering(lambda received: answer(received, ports[0]))(conversation)

    return lab(script, route=REWRITES | route)


def get(lab: StartLab, answer: Any, target: str = CARD, *lines: str) -> tuple[Response, str]:
    client = run(lab, answer).connect()
    return client.get(target, *lines), client.host


def problem(reply: Response) -> str:
    assert reply.status == 502
    document = json.loads(reply.body)
    assert document["type"] == "urn:devwiz-gw:problem:bad_agent_card"
    return str(document["detail"])


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_it_leads_to_the_local_origin(lab: StartLab, framing: str) -> None:
    def answer(_: Received, port: int) -> bytes:
        card = card_of(port, signatures=[{}])
        if framing == "length":
            return response(card, JSON, 'ETag: "x"')
        if framing == "chunked":
            pieces = chunks(card[:10], card[10:])
            return (
                f"HTTP/1.1 200 OK\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + pieces
            )
        return f"HTTP/1.0 200 OK\r\n{JSON}\r\n\r\n".encode() + card

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            conversation.send_each(answer(received, conversation.socket.getsockname()[1]), 50)
            if framing == "close":
                conversation.close()
                return

    here = lab(script, route=REWRITES)
    client = here.connect()
    reply = client.get(CARD)
    assert json.loads(reply.body) == {"name": "planner", "url": f"http://{client.host}/a2a"}
    assert reply.field("content-length") == str(len(reply.body))
    assert reply.field("x-devwiz-gw-agent-card") == "local, unsigned"
    again = client.get(CARD, f"If-None-Match: {reply.field('etag')}")
    assert (again.status, again.body) == (304, b"")
    assert again.field("etag") == reply.field("etag")
    wait_until(lambda: bool(here.worker.events("log")))
    assert "lost its signatures" in here.worker.events("log")[0]["message"]


def test_other_answers_of_the_route_stay(lab: StartLab) -> None:
    body = b'{"url":"https://localhost/a2a", "url":1}'
    packed = gzip.compress(body)

    def answer(received: Received, _: int) -> bytes:
        if "gzip" in received.fields.get("accept-encoding", ""):
            return response(packed, JSON, "Content-Encoding: gzip", 'ETag: "x"')
        return response(body, JSON, 'ETag: "x"')

    client = run(lab, answer).connect()
    reply = client.get("/v1/tasks", "Accept-Encoding: gzip")
    assert (reply.body, reply.field("etag")) == (packed, '"x"')
    sent = b'{"jsonrpc":"2.0","id":1,"method":"message/send"}'
    assert client.post(sent, "/a2a", "Accept-Encoding: gzip").body == body
    assert client.get(CARD, "Accept-Encoding: gzip").status == 502


def test_a_route_that_doesnt_ask_passes_cards_on(lab: StartLab) -> None:
    client = run(lab, lambda _, port: response(card_of(port), JSON), agent_card="keep").connect()
    reply = client.get(CARD)
    assert b"https://localhost" in reply.body


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_extended_card_of_json_rpc(lab: StartLab, step: int) -> None:
    def answer(received: Received, port: int) -> bytes:
        call = json.loads(received.body)
        card = json.loads(card_of(port))
        return response(json.dumps({"id": call["id"], "result": card}).encode(), JSON)

    client = run(lab, answer).connect()
    sent = b'{"jsonrpc":"2.0","id":9,"method":"agent/getAuthenticatedExtendedCard"}'
    head = client.head("/a2a", f"Content-Length: {len(sent)}", method="POST")
    client.send(head)
    for at in range(0, len(sent), step):
        client.send(sent[at : at + step])
    result = {"name": "planner", "url": f"http://{client.host}/a2a"}
    assert json.loads(client.read_response().body) == {"id": 9, "result": result}


def test_an_error_of_the_agent_stays(lab: StartLab) -> None:
    reply, _ = get(lab, lambda *_: response(b"<none>", 'ETag: "x"', status="404 Not Found"))
    assert (reply.status, reply.body, reply.field("etag")) == (404, b"<none>", '"x"')


def test_a_head_request(lab: StartLab) -> None:
    def answer(_: Received, port: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: a\r\n\r\n" % len(card_of(port))

    client = run(lab, answer).connect()
    client.send(client.head(CARD, method="HEAD"))
    reply = client.read_response(method="HEAD")
    assert (reply.status, reply.field("etag"), reply.field("content-length")) == (200, None, None)


def test_a_client_of_http_1_0(lab: StartLab) -> None:
    client = run(lab, lambda _, port: response(card_of(port), JSON)).connect()
    client.send(client.head(CARD, minor=0))
    assert f"http://{client.host}/a2a".encode() in client.read_response().body


REFUSED = {
    "html": (response(b"<html>"), "not JSON"),
    "twice": (response(b'{"url":1,"url":2}'), "not JSON that has one reading"),
    "nothing": (response(b""), "not JSON"),
    "encoded": (response(gzip.compress(b"{}", mtime=0), "Content-Encoding: gzip"), "encoded"),
    "a part": (response(b"{}", "Content-Range: bytes 0-1/9", status="206 Partial"), "in parts"),
    "a stream": (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "as a stream"),
    "announced": (b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", "more than 1048576 bytes"),
    "large": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" + b" " * 0x100001,
        "more than 1048576 bytes",
    ),
}


@pytest.mark.parametrize(("answer", "detail"), REFUSED.values(), ids=REFUSED)
def test_what_cant_be_mapped_is_kept_from_clients(
    lab: StartLab, answer: bytes, detail: str
) -> None:
    assert detail in problem(get(lab, lambda *_: answer)[0])


def test_a_card_that_is_cut_is_no_card(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"url":')
        conversation.close()

    reply = lab(script, route=REWRITES).connect().get(CARD)
    assert reply.status == 502
    assert json.loads(reply.body)["type"].endswith(":upstream_closed")


def test_a_client_that_leaves_meanwhile_cancels(lab: StartLab) -> None:
    gone: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"url":')
        gone.append(conversation.wait_gone())

    here = lab(script, route=REWRITES)
    client = here.connect()
    client.send(client.head(CARD))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    client.close()
    here.upstream.wait_for(lambda _: bool(gone))


def test_an_ingress_leads_its_callers_back(door: StartDoor) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        port = conversation.socket.getsockname()[1]
        card = {
            "url": f"http://localhost:{port}/a2a",
            "securitySchemes": {"m": {"type": "mutualTLS"}},
        }
        conversation.send(response(json.dumps(card).encode(), JSON))
        conversation.wait_gone()

    here = door(script)
    here.worker.change(**REWRITES)
    client = here.call()
    card = json.loads(client.get(CARD).body)
    assert card["url"] == f"https://{client.host}/a2a"
    assert card["securitySchemes"] == {"m": {"type": "mutualTLS"}}


@pytest.mark.parametrize(
    "card",
    [
        {"securitySchemes": {"a": {"type": "apiKey", "in": "cookie", "name": ["x"]}}},
        {"url": "localhost:1", "preferredTransport": "GRPC", "additionalInterfaces": 5},
        {"additionalInterfaces": [{"url": f"a://{number:x}"} for number in range(45_000)]},
    ],
)
def test_no_card_ends_the_worker(lab: StartLab, card: dict[str, Any]) -> None:
    here = run(lab, lambda _, __: response(json.dumps(card).encode(), JSON))
    client = here.connect()
    assert client.get(CARD).status in (200, 502)
    assert client.get("/other").status == 200
