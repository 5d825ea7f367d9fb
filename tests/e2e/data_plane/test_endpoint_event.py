"""The endpoint event of MCP's HTTP+SSE transport leads back to where the client came from."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import Lab, StartDoor, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def run(lab: StartLab, *, url: str, step: int, length: bool = False) -> Lab:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        port = conversation.socket.getsockname()[1]
        event = f"event: endpoint\r\ndata: {url.format(port=port)}\r\n\r\n".encode()
        if length:
            conversation.send(EVENTS + b"Content-Length: %d\r\n\r\n" % len(event) + event)
        else:
            conversation.send(EVENTS + CHUNKED)
            for at in range(0, len(event), step):
                piece = event[at : at + step]
                conversation.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        conversation.wait_gone()

    return lab(script)


def first_event(client: RawClient, method: str = "GET") -> bytes:
    client.send(client.head("/sse", method=method))
    client.read_head()
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += client.read_chunk()
    return got


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_an_absolute_url_of_the_upstream_is_mapped(lab: StartLab, step: int) -> None:
    client = run(lab, url="https://localhost:{port}/message?sessionId=1", step=step).connect()
    mapped = f"http://{client.host}/message?sessionId=1"
    assert first_event(client) == f"event: endpoint\r\ndata: {mapped}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "url",
    [
        "/message?sessionId=1",
        "?sessionId=1",
        "https://evil.example/message",
        "http://localhost:{port}/message",
        "https://localhost:{port}@evil.example/",
        "https://localhost:{port}.evil.example/",
        "https://localhost/message",
    ],
)
def test_any_other_one_stays(lab: StartLab, url: str) -> None:
    here = run(lab, url=url, step=5)
    sent = url.format(port=here.upstream.port)
    assert first_event(here.connect()) == f"event: endpoint\r\ndata: {sent}\r\n\r\n".encode()


def test_the_transport_is_one_of_get(lab: StartLab) -> None:
    here = run(lab, url="https://localhost:{port}/message", step=1000)
    sent = f"https://localhost:{here.upstream.port}/message"
    assert sent.encode() in first_event(here.connect(), "POST")


def test_a_body_of_a_known_length_stays(lab: StartLab) -> None:
    here = run(lab, url="https://localhost:{port}/message", step=1, length=True)
    client = here.connect()
    client.send(client.head("/sse"))
    assert f"https://localhost:{here.upstream.port}/message" in client.read_response().body.decode()


def test_callers_of_an_ingress_are_led_back_too(door: StartDoor) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        port = conversation.socket.getsockname()[1]
        conversation.send(EVENTS + b"\r\nevent: endpoint\ndata: http://localhost:%d/m\n\n" % port)
        conversation.close()

    client = door(script).call()
    client.send(client.head("/sse"))
    client.read_head()
    assert client.read_chunk() == f"event: endpoint\ndata: https://{client.host}/m\n\n".encode()
