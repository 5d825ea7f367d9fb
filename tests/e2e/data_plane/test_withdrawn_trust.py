"""A changed bundle, revocation list or peer name cuts what it invalidates, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.ipc.frames import Kind
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import (
    Conversation,
    ScriptedUpstream,
    answering,
    echo,
    fixed,
    response,
    wait_until,
)
from tests.fakes.worker_rig import PEER

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
HOUR = timedelta(hours=1)


class Agent:
    """An upstream whose certificate a test knows; `/events` and upgrades stay open, `/hang` is
    never answered, all else is echoed.
    """

    def __init__(self, here: Lab, authority: Authority) -> None:
        self.leaf = authority.issue("localhost", PEER)
        self.ends: list[str] = []
        self._upstream = here.upstream
        here.upstream.context = server_context(self.leaf, authority)
        here.upstream.script = self._converse

    def use(self, leaf: Leaf, authority: Authority) -> None:
        """Show another certificate from now on."""
        self._upstream.context = server_context(leaf, authority)

    def _converse(self, conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.target == "/events":
                conversation.send(STREAM + b"3\r\nabc\r\n")
            elif received.fields.get("upgrade"):
                conversation.send(SWITCH + b"hello")
            elif received.target != "/hang":
                conversation.send(response(received.body))
                continue
            self.ends.append(conversation.wait_gone())
            return
        self.ends.append("closed")


def _stream(here: Lab) -> RawClient:
    client = here.connect()
    client.send(client.head("/events"))
    client.read_head()
    assert client.read_chunk() == b"abc"
    return client


def _revoke(here: Lab, authority: Authority, *leaves: Leaf) -> None:
    here.worker.change(tls={"crl_pem": authority.crl(*(leaf.serial for leaf in leaves))})


def _cuts(here: Lab) -> list[dict[str, Any]]:
    return [event for event in here.worker.events("log") if "cut" in event["message"]]


def _problem(client: RawClient) -> dict[str, Any]:
    answer = client.read_response()
    assert answer.status == 502
    problem: dict[str, Any] = json.loads(answer.body)
    return problem


def test_a_chain_with_more_than_it_needs_is_judged_by_what_it_needs(
    lab: StartLab, authority: Authority
) -> None:
    """A certificate of a version that X.509 doesn't have: OpenSSL reads it, and our stricter parser
    doesn't.
    """
    here = lab(answering(echo))
    agent = Agent(here, authority)
    version = b"\xa0\x03\x02\x01"
    der = ssl.PEM_cert_to_DER_cert(Authority().pem).replace(version + b"\x02", version + b"\x05")
    chain = agent.leaf.chain_pem + ssl.DER_cert_to_PEM_cert(der)
    agent.use(replace(agent.leaf, chain_pem=chain), authority)
    client = _stream(here)
    _revoke(here, authority)  # another one
    assert _cuts(here) == []
    _revoke(here, authority, agent.leaf)
    with pytest.raises(Truncated):
        client.read_chunk()


def test_a_revoked_server_s_stream_is_cut_and_never_completed(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    streams = [_stream(here) for _ in range(3)]
    since = time.monotonic()
    _revoke(here, authority, agent.leaf)
    for stream in streams:
        with pytest.raises(Truncated):
            stream.read_chunk()
    assert time.monotonic() - since < 1
    here.upstream.wait_for(lambda _: len(agent.ends) == 3)
    (told,) = _cuts(here)
    assert told["message"] == (
        f"planner: cut 3 connections with {PEER}, dns:localhost: "
        "the server's certificate is revoked"
    )
    assert (told["level"], told["route"], told["reason"]) == ("warning", "planner", "revoked")
    stats = here.worker.stats()
    assert stats.retired == {"revoked": 3}
    assert stats.connections == {}
    lines = here.worker.access_log(3)
    assert [(line["status"], line["reason"]) for line in lines] == [(200, "trust_withdrawn")] * 3


def _state(pid: int) -> str:
    """Of a process: one letter (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_request_of_the_very_moment_does_not_reach_a_revoked_server(
    lab: StartLab, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    client = here.connect()
    assert client.get("/").status == 200
    send = here.worker.send

    def send_and_resume(kind: Kind, payload: bytes = b"") -> None:
        send(kind, payload)
        os.kill(here.worker.pid, signal.SIGCONT)

    monkeypatch.setattr(here.worker, "send", send_and_resume)
    os.kill(here.worker.pid, signal.SIGSTOP)
    # Until it stands it may still take the request alone from its wait.
    wait_until(lambda: _state(here.worker.pid) == "T")
    client.send(client.head("/late", method="POST"))
    _revoke(here, authority, agent.leaf)  # the worker finds request and snapshot at once
    assert _problem(client)["detail"] == "the server's certificate is revoked"
    here.upstream.wait_for(lambda _: agent.ends == ["closed"])
    assert [request.target for request in here.upstream.requests] == ["/"]


def test_a_tunnel_with_a_revoked_server_is_cut(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    client = here.connect()
    client.send(client.head("/ws", "Connection: Upgrade", "Upgrade: websocket"))
    client.read_until(b"hello")
    _revoke(here, authority, agent.leaf)
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    here.upstream.wait_for(lambda _: agent.ends == ["reset"])
    assert here.worker.stats().retired == {"revoked": 1}
    assert here.worker.access_log(1)[0]["reason"] == "revoked"


def test_bytes_as_they_are_are_cut_too(lab: StartLab, authority: Authority) -> None:
    leaf = authority.issue("localhost", PEER)

    def parrot(conversation: Conversation) -> None:
        while data := conversation.read():
            conversation.send(data)

    here = lab(parrot, route={"kind": "tcp", "tls": {"alpn": ()}})
    here.upstream.context = server_context(leaf, authority)
    client = here.connect()
    client.send(b"hello")
    assert client.read_exactly(5) == b"hello"
    _revoke(here, authority, leaf)
    with pytest.raises(ConnectionResetError):
        client.read_exactly(1)
    assert here.worker.access_log(1)[0]["reason"] == "revoked"
    late = here.connect()
    with pytest.raises(ConnectionResetError):
        late.read_exactly(1)
    assert here.worker.stats().last_error == "the server's certificate is revoked"


def test_an_upload_to_a_revoked_server_is_cut_and_the_client_told(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    client = here.connect()
    client.send(client.head("/hang", "Content-Length: 100000", method="POST") + b"x" * 1000)
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    _revoke(here, authority, agent.leaf)
    problem = _problem(client)
    assert problem["stage"] == "peer"
    assert problem["detail"] == "the server's certificate is revoked"
    assert client.ended()
    assert here.upstream.accepted == 1, "a request that acts is not repeated"
    assert here.worker.stats().failures == {"trust_withdrawn": 1}


def test_an_unanswered_reading_request_goes_to_the_server_s_next_certificate(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    client = here.connect()
    client.send(client.head("/hang"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.upstream.script = fixed(response(b"by the next"))
    agent.use(authority.issue("localhost", PEER), authority)
    _revoke(here, authority, agent.leaf)
    assert client.read_response().body == b"by the next"
    assert here.worker.stats().failures == {}


def test_an_unanswered_reading_request_fails_with_the_cause_if_there_is_none(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    client = here.connect()
    client.send(client.head("/hang"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    _revoke(here, authority, agent.leaf)
    assert _problem(client)["detail"] == "the server's certificate is revoked"
    assert len(here.upstream.requests) == 1
    assert here.worker.stats().handshake_failures == {"tls_failed": 1}


def test_an_authority_that_leaves_the_bundle_takes_its_connections_along(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    Agent(here, authority)
    stream = _stream(here)
    here.worker.change(tls={"bundle_pem": Authority().pem})
    with pytest.raises(Truncated):
        stream.read_chunk()
    assert here.worker.stats().retired == {"untrusted": 1}
    assert "not in the trust bundle" in _cuts(here)[0]["message"]


def test_another_name_that_is_expected_cuts(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    Agent(here, authority)
    stream = _stream(here)
    here.worker.change(tls={"peers": ("spiffe://acme.example/agent/another",)})
    with pytest.raises(Truncated):
        stream.read_chunk()
    assert here.worker.stats().retired == {"peer_rejected": 1}
    assert f"is for {PEER}" in _cuts(here)[0]["message"]


Change = Callable[[Lab, Authority, Leaf], None]


def _grow(here: Lab, authority: Authority, leaf: Leaf) -> None:
    here.worker.change(tls={"bundle_pem": authority.pem + Authority().pem})


def _revoke_another(here: Lab, authority: Authority, leaf: Leaf) -> None:
    here.worker.change(tls={"crl_pem": authority.crl(leaf.serial + 1)})


def _add_peer(here: Lab, authority: Authority, leaf: Leaf) -> None:
    here.worker.change(tls={"peers": ("dns:other.example", PEER)})


def _expired_list(here: Lab, authority: Authority, leaf: Leaf) -> None:
    here.worker.change(tls={"crl_pem": authority.crl(starts=-2 * HOUR, ends=-HOUR)})


def _renew_with_bundle(here: Lab, authority: Authority, leaf: Leaf) -> None:
    identity = here.worker.identity
    assert identity is not None
    here.worker.identity = here.worker.new_identity(identity.generation + 1)
    _grow(here, authority, leaf)


@pytest.mark.parametrize(
    "change", [_grow, _revoke_another, _add_peer, _expired_list, _renew_with_bundle]
)
def test_a_connection_that_stays_valid_is_not_touched(
    lab: StartLab, authority: Authority, change: Change
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    stream, busy = _stream(here), here.connect()
    busy.send(busy.head("/hang"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 2)
    change(here, authority, agent.leaf)
    assert stream.is_quiet()
    assert busy.is_quiet()
    assert here.worker.stats().retired == {}
    assert agent.ends == []
    assert _cuts(here) == []


def test_a_server_certificate_that_expired_meanwhile_is_not_held_against_a_stream(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    short = authority.issue("localhost", PEER, ends=timedelta(seconds=2))
    agent.use(short, authority)
    stream = _stream(here)
    wait_until(lambda: time.time() > short.not_after)
    _grow(here, authority, short)
    assert stream.is_quiet()
    _revoke(here, authority, short)
    with pytest.raises(Truncated):
        stream.read_chunk()


@pytest.mark.parametrize(
    ("validity", "cause"),
    [
        ((-2 * HOUR, -HOUR), "the revocation list of the server's issuer has expired"),
        ((HOUR, 2 * HOUR), "the revocation list of the server's issuer is not valid yet"),
        (None, "there is no revocation list in force of the server's issuer"),
    ],
)
def test_a_list_that_is_not_in_force_stops_new_connections_with_its_cause(
    lab: StartLab,
    authority: Authority,
    validity: tuple[timedelta, timedelta] | None,
    cause: str,
) -> None:
    here = lab(answering(echo))
    starts, ends = validity or (-HOUR, HOUR)
    whose = authority if validity else Authority()
    here.worker.change(tls={"crl_pem": whose.crl(starts=starts, ends=ends)})
    client = here.connect()
    client.send(client.head())
    problem = _problem(client)
    assert (problem["stage"], problem["detail"]) == ("tls", cause)
    assert here.worker.stats().last_error == cause
    assert here.upstream.requests == []


def test_one_list_of_several_revokes(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    assert here.connect().get().status == 200
    lists = Authority().crl() + "a comment\n" + authority.crl(agent.leaf.serial)
    here.worker.change(tls={"crl_pem": lists})
    client = here.connect()
    client.send(client.head())
    assert _problem(client)["detail"] == "the server's certificate is revoked"


def test_a_dial_on_its_way_gets_no_request_after_the_revocation(
    lab: StartLab, authority: Authority
) -> None:
    hold = threading.Event()

    class Slow(Conversation):
        def handshake(self) -> None:
            assert hold.wait(10)
            super().handshake()

    here = lab(answering(echo))
    agent = Agent(here, authority)
    here.upstream.conversation = Slow
    client = here.connect()
    client.send(client.post_bytes(b"secret work"))
    here.upstream.wait_for(lambda upstream: upstream.accepted == 1)
    _revoke(here, authority, agent.leaf)
    hold.set()
    assert _problem(client)["detail"] == "the server's certificate is revoked"
    assert here.upstream.requests == []


def test_a_revocation_is_followed_while_there_is_no_identity(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    agent = Agent(here, authority)
    stream = _stream(here)
    here.worker.identity = None
    here.worker.change(reason="the issuer is away")
    assert stream.is_quiet()
    _revoke(here, authority, agent.leaf)
    with pytest.raises(Truncated):
        stream.read_chunk()


def test_what_goes_on_with_a_far_side_of_before_is_not_judged_by_the_trust_of_another(
    lab: StartLab, authority: Authority
) -> None:
    others = Authority()
    context = server_context(others.issue("second.example"), authority)
    with ScriptedUpstream(context, fixed(response(b"second"))) as second:
        here = lab(answering(echo))
        Agent(here, authority)
        stream = _stream(here)
        here.worker.change(
            upstream={"authority": "second.example", "addresses": (("127.0.0.1", second.port),)},
            tls={"peers": ("dns:second.example",), "bundle_pem": others.pem},
        )
        assert here.connect().get().body == b"second"
        here.worker.change(tls={"crl_pem": others.crl()})
        assert stream.is_quiet()


def test_unreadable_trust_cuts_nothing_and_serves_nothing(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    Agent(here, authority)
    stream = _stream(here)
    good = here.worker.route
    here.worker.change(tls={"crl_pem": "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n"})
    assert stream.is_quiet()
    assert here.connect().get().status == 503
    assert len(here.worker.events("route_rejected")) == 1
    here.worker.change(tls={"crl_pem": good.tls.crl_pem})
    assert here.connect().get().status == 200
    assert replace(here.worker.route, listeners=()) == replace(good, listeners=())
