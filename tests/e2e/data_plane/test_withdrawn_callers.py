"""An ingress cuts the callers that a changed bundle, list or peer pattern no longer lets in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.data_plane.conftest import CALLER, CALLERS, Door, StartDoor
from tests.fakes.authority import Authority, Leaf, client_context
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, response, wait_until
from tests.fakes.tls_client import TlsClient

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = (ConnectionError, ssl.SSLError)


def _agent(conversation: Conversation) -> None:
    """`/events` never ends, `/hang` is never answered, all else is echoed."""
    while (received := conversation.read_request()) is not None:
        if received.target == "/events":
            conversation.send(EVENTS + b"3\r\nabc\r\n")
        elif received.target != "/hang":
            conversation.send(response(received.body))
            continue
        conversation.wait_gone()
        return


def _stream(client: TlsClient) -> TlsClient:
    client.send(client.head("/events"))
    client.read_head()
    assert client.read_chunk() == b"abc"
    return client


def _revoke(here: Door, leaf: Leaf) -> None:
    here.worker.change(tls={"crl_pem": here.authority.crl(leaf.serial)})


def _cuts(here: Door) -> list[dict[str, Any]]:
    return [event for event in here.worker.events("log") if ": cut " in event["message"]]


def test_a_revoked_caller_is_cut_in_whatever_it_does(door: StartDoor) -> None:
    here = door(_agent)
    leaf = here.authority.issue(CALLER)
    stream, waiting, idle = (here.call(leaf) for _ in range(3))
    other = _stream(here.call(name="spiffe://acme.example/agent/other"))
    _stream(stream)
    waiting.send(waiting.post_bytes(b"work", "/hang"))
    wait_until(lambda: len(here.agent.requests) == 3)
    _revoke(here, leaf)
    for client in (stream, waiting, idle):
        with pytest.raises(CUT):
            client.read_exactly(1)
    assert other.is_quiet()
    (told,) = _cuts(here)
    assert told["message"] == (
        f"planner: cut 3 connections with {CALLER}: the caller's certificate is revoked"
    )
    assert here.worker.stats().retired["revoked"] == 3
    lines = here.worker.access_log(2)
    assert sorted((line["status"], line["reason"]) for line in lines) == [
        (0, "revoked"),
        (200, "revoked"),
    ]
    with pytest.raises(CUT):
        here.call(leaf).get()


def test_a_revoked_caller_s_tunnel_is_cut(door: StartDoor) -> None:
    def parrot(conversation: Conversation) -> None:
        while data := conversation.read():
            conversation.send(data)

    here = door(parrot, carries="tcp", alpn=())
    leaf = here.authority.issue(CALLER)
    bad, good = here.call(leaf, alpn=()), here.call(alpn=())
    for client in (bad, good):
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
    _revoke(here, leaf)
    with pytest.raises(CUT):
        bad.read_exactly(1)
    good.send(b"again")
    assert good.read_exactly(5) == b"again"
    assert here.worker.stats().retired == {"revoked": 1}
    assert here.worker.access_log(1)[0]["reason"] == "revoked"


Change = Callable[[Door], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda here: {"bundle_pem": Authority().pem}, "untrusted"),
        (lambda here: {"peers": ("spiffe://acme.example/agent/other",)}, "peer_rejected"),
    ],
)
def test_so_is_one_of_another_authority_or_name(
    door: StartDoor, change: Change, reason: str
) -> None:
    here = door(_agent)
    stream = _stream(here.call())
    here.worker.change(tls=change(here))
    with pytest.raises(CUT):
        stream.read_chunk()
    assert here.worker.stats().retired[reason] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda here: {"bundle_pem": here.authority.pem + Authority().pem},
        lambda here: {"peers": (CALLER, "spiffe://other.example/**")},
        lambda here: {"crl_pem": here.authority.crl()},
    ],
)
def test_a_caller_that_may_go_on_does(door: StartDoor, change: Change) -> None:
    here = door(_agent)
    stream = _stream(here.call())
    here.worker.change(tls=change(here))
    assert stream.is_quiet()
    assert "revoked" not in here.worker.stats().retired
    assert _cuts(here) == []


def _begun(here: Door, leaf: Leaf) -> tuple[socket.socket, ssl.SSLObject, ssl.MemoryBIO]:
    """A handshake whose last message, with the caller's certificate, isn't sent yet."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(leaf, here.authority).wrap_bio(incoming, outgoing)
    sock = here.stack.enter_context(socket.create_connection(("127.0.0.1", here.worker.ports[0])))
    sock.settimeout(5)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    sock.sendall(outgoing.read())
    while True:
        incoming.write(sock.recv(65_536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            continue
        return sock, tls, outgoing


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_handshake_on_its_way_is_judged_by_the_trust_of_now(
    door: StartDoor, is_revoked: bool
) -> None:
    here = door(_agent)
    leaf = here.authority.issue(CALLER)
    sock, tls, outgoing = _begun(here, leaf)
    crl = here.authority.crl(leaf.serial if is_revoked else leaf.serial + 1)
    here.worker.change(tls={"crl_pem": crl})
    tls.write(RawClient(sock, f"localhost:{here.worker.ports[0]}").head())
    sock.sendall(outgoing.read())
    if is_revoked:
        wait_until(lambda: here.worker.stats().handshake_failures == {"handshake_failed": 1})
        assert here.worker.stats().last_error == "the caller's certificate is revoked"
        assert here.agent.requests == []
    else:
        wait_until(lambda: len(here.agent.requests) == 1)


def test_a_caller_that_came_in_by_another_route_is_judged_by_this_one(door: StartDoor) -> None:
    """A listener is given to a route with other patterns."""
    here = door(_agent)
    stream = _stream(here.call())
    here.worker.route = replace(here.worker.route, name="other")
    here.worker.change(tls={"peers": (CALLERS, "spiffe://b.example/**")})
    assert stream.is_quiet()
    here.worker.route = replace(here.worker.route, name="third")
    here.worker.change(tls={"peers": ("spiffe://b.example/**",)})
    with pytest.raises(CUT):
        stream.read_chunk()


def test_a_plain_caller_of_before_may_not_stay_when_its_listener_becomes_an_ingress(
    door: StartDoor,
) -> None:
    here = door(_agent)
    here.worker.change(ingress=False)
    plain = here.stack.enter_context(here.worker.connect())
    wait_until(lambda: here.worker.stats().downstream_connections == 1)
    here.worker.change(ingress=True)
    assert plain.ended()
    assert here.agent.requests == []
