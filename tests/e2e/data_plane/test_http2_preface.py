"""A route that offers HTTP/2 only is no way for a web page: its browser doesn't begin with it."""

from __future__ import annotations

import pytest

from gateway.data_plane.tcp import HTTP_2_PREFACE
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import Conversation, wait_until
from tests.fakes.worker_rig import PEER

SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
BROWSER = (
    b"POST /steal HTTP/1.1\r\nHost: 127.0.0.1:8702\r\nOrigin: https://evil.example\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 33\r\n\r\n"
)


class Agent:
    """Speaks first, notes what comes, and sends it back."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def script(self, conversation: Conversation) -> None:
        conversation.send(SETTINGS)
        while data := conversation.read():
            self.got.append(data)
            conversation.send(data)


def start(lab: StartLab, authority: Authority, agent: Agent, alpn: tuple[str, ...]) -> Lab:
    here = lab(agent.script, headers=(), route={"kind": "tcp", "tls": {"alpn": alpn}})
    leaf = authority.issue("localhost", PEER)
    here.upstream.context = server_context(leaf, authority, alpn=alpn)
    return here


def test_http_2_passes_in_any_pieces(lab: StartLab, authority: Authority) -> None:
    here = start(lab, authority, Agent(), ("h2",))
    for size in (1, 10, 1000):
        client = here.connect()
        assert client.read_exactly(len(SETTINGS)) == SETTINGS
        message = HTTP_2_PREFACE + SETTINGS
        for at in range(0, len(message), size):
            client.send(message[at : at + size])
            assert client.read_exactly(len(message[at : at + size]))  # at once, nothing is kept


@pytest.mark.parametrize("message", [BROWSER + HTTP_2_PREFACE, b"\x16\x03\x01\x02\x00", b"PRI * X"])
def test_whatever_else_comes_is_cut_and_reaches_nobody(
    lab: StartLab, authority: Authority, message: bytes
) -> None:
    agent = Agent()
    here = start(lab, authority, agent, ("h2",))
    client = here.connect()
    client.send(message)
    with pytest.raises(ConnectionResetError):
        client.read_to_end()
    (line,) = here.worker.access_log(1)
    assert (line["reason"], line["stage"], line["bytes_up"]) == ("foreign_protocol", "caller", 0)
    wait_until(lambda: here.worker.stats().rejected == {"foreign_protocol": 1})
    here.upstream.close()  # waits for its conversations
    assert b"".join(agent.got) == b""


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2", "http/1.1")])
def test_other_routes_look_at_nothing(
    lab: StartLab, authority: Authority, alpn: tuple[str, ...]
) -> None:
    here = start(lab, authority, Agent(), alpn)
    client = here.connect()
    client.read_exactly(len(SETTINGS))
    client.send(BROWSER)
    assert client.read_exactly(len(BROWSER)) == BROWSER
