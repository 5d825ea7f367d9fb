"""An ingress lets in whom its trust bundle and peers allow, and tells everybody else why not."""

from __future__ import annotations

import json
import ssl
from datetime import timedelta
from typing import Any

import pytest

from gateway.ipc import events
from tests.e2e.data_plane.conftest import CALLER, Door, StartDoor
from tests.fakes.authority import Authority, client_context
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, answering, echo, fixed, response, wait_until

STRANGER = "spiffe://acme.example/elsewhere"
OK = fixed(response(b"served"))


def refused(here: Door, context: ssl.SSLContext) -> str:
    """How the caller is told during the handshake, which in TLS 1.3 is with its first read."""
    with pytest.raises(ssl.SSLError) as caught:
        here.call(context=context).get()
    assert not here.agent.requests
    return str(caught.value).lower().replace("_", " ")


def last_error(here: Door) -> str:
    wait_until(lambda: here.worker.stats().last_error != "")
    return here.worker.stats().last_error


def test_a_caller_of_the_peers_is_served(door: StartDoor) -> None:
    here = door(answering(echo))
    client = here.call()
    assert client.tls.version() == "TLSv1.3"
    for body in (b"one", b"two"):
        assert client.post(body).body == body
    assert here.agent.accepted == 1
    stats = here.worker.stats()
    assert (sum(stats.handshakes.values()), stats.tls_version) == (1, "TLSv1.3")
    assert stats.connections == {"1": 1}


@pytest.mark.parametrize(
    ("peers", "name", "served"),
    [
        (("spiffe://acme.example/agent/caller",), CALLER, True),
        (("spiffe://acme.example/agent/*",), CALLER, True),
        (("spiffe://acme.example/*/caller",), CALLER, True),
        (("spiffe://acme.example/**",), CALLER, True),
        (("spiffe://acme.example/x", "spiffe://acme.example/agent/**"), CALLER, True),
        (("spiffe://acme.example/*",), CALLER, False),
        (("spiffe://acme.example/agent/caller/**",), CALLER, False),
        (("spiffe://acme.example/agent/call*",), CALLER, False),
        (("spiffe://other.example/**",), CALLER, False),
        (("spiffe://**",), CALLER, False),
        ((), CALLER, False),
        (("spiffe://acme.example/agent/*",), "spiffe://acme.example.evil.example/agent/x", False),
        (("spiffe://acme.example/agent/*",), "spiffe://acme.example/agent/a/b", False),
    ],
)
def test_peers_and_patterns(
    door: StartDoor, peers: tuple[str, ...], name: str, served: bool
) -> None:
    here = door(OK, peers=peers)
    assert here.call(name=name).get().status == (200 if served else 403)
    assert bool(here.agent.requests) is served


def test_another_workload_is_told_so_and_leaves_a_trace(door: StartDoor) -> None:
    here = door(OK)
    client = here.call(name=STRANGER)
    answer = client.get()
    problem = json.loads(answer.body)
    assert (answer.status, answer.field("content-type")) == (403, "application/problem+json")
    assert problem["type"] == "urn:devwiz-gw:problem:peer_denied"
    assert problem["detail"] == f"the caller is {STRANGER}, which no peer allows"
    assert "agent/*" not in answer.body.decode(), "who may isn't told to who may not"
    assert answer.field("connection") == "close"
    assert client.read_to_end() == b"", "closed with a farewell"
    (line,) = here.worker.access_log(1)
    assert (line["caller"], line["reason"]) == (STRANGER, "peer_denied")
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert told["reason"] == problem["detail"]
    assert here.worker.stats().denied == {"peer": 1}
    assert here.agent.accepted == 0


def test_each_refused_caller_is_named_however_many_knock(door: StartDoor) -> None:
    here = door(OK)
    others = [f"{STRANGER}/{number}" for number in range(3)]
    for _ in range(3):
        for name in others:
            assert here.call(name=name).get().status == 403
    wait_until(lambda: sum(told["count"] for told in _denials(here)) == 9)
    for name in others:
        counts = [told["count"] for told in _denials(here) if f" {name}," in told["reason"]]
        assert sum(counts) == 3
        assert len(counts) < 3


def _denials(here: Door) -> list[dict[str, Any]]:
    return here.worker.events(events.CALLER_DENIED)


def test_a_caller_without_a_certificate(door: StartDoor, authority: Authority) -> None:
    here = door(OK)
    assert "certificate required" in refused(here, client_context(None, authority))
    assert last_error(here) == "the caller showed no certificate"
    wait_until(lambda: len(here.worker.events(events.LOG)) == 1)
    (told,) = here.worker.events(events.LOG)
    assert told["message"] == "planner: a handshake failed: the caller showed no certificate"


def test_a_caller_of_another_authority(door: StartDoor, authority: Authority) -> None:
    here = door(OK)
    leaf = Authority().issue(CALLER)
    assert "unknown ca" in refused(here, client_context(leaf, authority))
    assert last_error(here) == "the caller's issuer is not in the trust bundle"


@pytest.mark.parametrize(
    ("starts", "ends", "alert", "why"),
    [
        (-120, -60, "certificate expired", "has expired"),
        (60, 120, "bad certificate", "is not valid yet"),
    ],
)
def test_a_caller_at_the_wrong_time(
    door: StartDoor, authority: Authority, starts: int, ends: int, alert: str, why: str
) -> None:
    here = door(OK)
    leaf = authority.issue(CALLER, starts=timedelta(seconds=starts), ends=timedelta(seconds=ends))
    assert alert in refused(here, client_context(leaf, authority))
    assert last_error(here) == f"the caller's certificate {why}"


def test_a_caller_with_an_old_tls(door: StartDoor, authority: Authority) -> None:
    here = door(OK)
    context = client_context(authority.issue(CALLER), authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "protocol version" in refused(here, context)
    assert last_error(here) == "the caller does not speak TLS 1.3"


@pytest.mark.parametrize("names", [(), ("caller.example",), (CALLER, f"{CALLER}2")])
def test_a_certificate_that_names_no_workload(
    door: StartDoor, authority: Authority, names: tuple[str, ...]
) -> None:
    here = door(OK, peers=("spiffe://acme.example/**",))
    answer = here.call(authority.issue(*names)).get()
    assert answer.status == 403
    assert "names no workload" in json.loads(answer.body)["detail"]
    assert not here.agent.requests


def test_a_caller_that_speaks_another_protocol(door: StartDoor, authority: Authority) -> None:
    here = door(OK)
    context = client_context(authority.issue(CALLER), authority, alpn=("h2", "smtp"))
    assert "no application protocol" in refused(here, context)
    assert "offers no application protocol that is spoken here, but h2, smtp" in last_error(here)


@pytest.mark.parametrize(("offered", "agreed"), [((), None), (("h2", "http/1.1"), "http/1.1")])
def test_a_caller_that_offers_http_1_1_among_others_or_nothing(
    door: StartDoor, offered: tuple[str, ...], agreed: str | None
) -> None:
    here = door(OK)
    client = here.call(alpn=offered)
    assert client.tls.selected_alpn_protocol() == agreed
    assert client.get().body == b"served"


def test_a_refused_caller_that_has_sent_much_still_learns_why(
    door: StartDoor, authority: Authority
) -> None:
    """In TLS 1.3 a caller may send before it is refused. Bytes that nobody reads would make the
    system reset the connection, and the alert could be lost.
    """
    here = door(OK)
    client = here.call(context=client_context(None, authority))
    with pytest.raises(ssl.SSLError) as caught:
        client.send(bytes(300_000))
        client.read_to_end()
    assert "CERTIFICATE_REQUIRED" in (caught.value.reason or "")
    wait_until(lambda: here.worker.worker_stats().open_connections == 0, 5)


def test_a_cut_by_a_caller_ends_its_request(door: StartDoor) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        ends.append(conversation.wait_gone())

    here = door(script)
    client = here.call()
    client.send(client.head())
    here.agent.wait_for(lambda agent: len(agent.requests) == 1)
    client.close()
    here.agent.wait_for(lambda _: len(ends) == 1)
    assert here.worker.access_log(1)[0]["reason"] == "client_closed"


def test_a_cut_by_the_agent_is_no_whole_answer(door: StartDoor) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        conversation.reset()

    client = door(script).call()
    client.send(client.head())
    with pytest.raises(Truncated):
        client.read_response()
