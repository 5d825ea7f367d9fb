"""A server that isn't the one expected never receives a byte of a request."""

from __future__ import annotations

import json
import ssl
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import Response
from tests.fakes.scripted_upstream import Conversation, Gone
from tests.fakes.worker_rig import PEER


class Wire:
    """Everything that the server could decrypt."""

    def __init__(self) -> None:
        self.got = b""

    def script(self, conversation: Conversation) -> None:
        while data := conversation.read():
            self.got += data


def _answer(here: Lab) -> Response:
    answer = here.connect().post(b"the secret body", "/the-secret-path")
    assert answer.status == 502
    return answer


@pytest.mark.parametrize(
    ("peers", "names"),
    [
        (("dns:planner.example.com",), ("localhost", PEER)),
        (("dns:localhost",), ("planner.example.com",)),
        (("spiffe://acme.example/agent/planner",), ("spiffe://acme.example/agent/other",)),
        (("spiffe://acme.example/agent/planner",), ("localhost",)),
        (("dns:localhost",), ("*.localhost",)),
        (("ip:127.0.0.1",), ("127.0.0.2", "localhost")),
        (("spiffe://acme.example/agent",), (PEER,)),
    ],
)
def test_a_wrong_name_gets_no_request(
    lab: StartLab, authority: Authority, peers: tuple[str, ...], names: tuple[str, ...]
) -> None:
    wire = Wire()
    here = lab(wire.script, peers=peers)
    here.upstream.context = server_context(authority.issue(*names), authority)
    problem = json.loads(_answer(here).body)
    assert problem["stage"] == "peer"
    here.upstream.wait_for(lambda upstream: upstream.accepted == 1)
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    assert wire.got == b""
    assert here.worker.stats().handshake_failures == {"peer_rejected": 1}


@pytest.mark.parametrize("peer", ["dns:localhost", "ip:127.0.0.1", PEER])
def test_a_right_name_gets_it(lab: StartLab, authority: Authority, peer: str) -> None:
    wire = Wire()
    here = lab(wire.script, peers=("dns:elsewhere.example", peer))
    leaf = authority.issue("localhost", "127.0.0.1", PEER)
    here.upstream.context = server_context(leaf, authority)
    client = here.connect()
    client.send(client.head("/x"))
    here.upstream.wait_for(lambda _: b"GET /x HTTP/1.1" in wire.got)
    assert here.worker.stats().peer == peer


def test_an_authority_that_is_not_in_the_bundle(lab: StartLab, authority: Authority) -> None:
    wire = Wire()
    here = lab(wire.script)
    here.upstream.context = server_context(Authority().issue("localhost", PEER), authority)
    problem = json.loads(_answer(here).body)
    assert (problem["stage"], wire.got) == ("tls", b"")
    assert "not in the trust bundle" in problem["detail"]


def test_another_authority_of_the_same_name(lab: StartLab, authority: Authority) -> None:
    wire = Wire()
    here = lab(wire.script)
    here.worker.change(tls={"bundle_pem": Authority(name="twin").pem})
    twin = Authority(name="twin").issue("localhost", PEER)
    here.upstream.context = server_context(twin, authority)
    problem = json.loads(_answer(here).body)
    assert (problem["stage"], wire.got) == ("tls", b"")
    assert "another authority of the same name" in problem["detail"]


def test_an_expired_server_certificate(lab: StartLab, authority: Authority) -> None:
    wire = Wire()
    here = lab(wire.script)
    leaf = authority.issue("localhost", PEER, ends=timedelta(seconds=-1))
    here.upstream.context = server_context(leaf, authority)
    problem = json.loads(_answer(here).body)
    assert (problem["stage"], wire.got) == ("tls", b"")
    assert "expired" in problem["detail"]


def test_a_server_without_tls_1_3(lab: StartLab, authority: Authority) -> None:
    wire = Wire()
    here = lab(wire.script)
    context = server_context(authority.issue("localhost", PEER), authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    here.upstream.context = context
    problem = json.loads(_answer(here).body)
    assert (problem["stage"], wire.got) == ("tls", b"")
    assert "TLS 1.3" in problem["detail"]


def test_a_server_without_tls(lab: StartLab) -> None:
    class Plain(Conversation):
        def handshake(self) -> None:
            wire.got += self.socket.recv(65_536)
            self.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with suppress(ConnectionError):
                wire.got += self.socket.recv(65_536)
            raise Gone("enough seen")

    wire = Wire()
    here = lab(wire.script)
    here.upstream.conversation = Plain
    assert json.loads(_answer(here).body)["stage"] == "tls"
    assert wire.got[:1] == b"\x16"  # a ClientHello and nothing else
    assert b"secret" not in wire.got
