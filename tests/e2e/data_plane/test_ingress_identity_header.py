"""The local agent learns from one header who calls, and callers can't write it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.e2e.data_plane.conftest import CALLER, StartDoor
from tests.fakes.authority import Authority
from tests.fakes.scripted_upstream import answering, chunks, digest, response
from tests.fakes.worker_rig import SPIFFE_ID

NAME = b"x-forwarded-client-cert:"
FORGED = "URI=spiffe://acme.example/agent/admin"


def lines_of(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line.lower().startswith(NAME)]


def test_it_says_who_vouches_and_who_calls(door: StartDoor, authority: Authority) -> None:
    here = door(answering(digest))
    leaf = authority.issue(CALLER)
    here.call(leaf).get()
    der = x509.load_pem_x509_certificate(leaf.chain_pem.encode()).public_bytes(Encoding.DER)
    said = here.agent.requests[0].fields["x-forwarded-client-cert"]
    assert said == f"By={SPIFFE_ID};Hash={hashlib.sha256(der).hexdigest()};URI={CALLER}"


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Client-Cert",
        "x-forwarded-client-cert",
        "X_FORWARDED_CLIENT_CERT",
        "X-Forwarded_Client-Cert",
        "x.forwarded.client.cert",
    ],
)
def test_what_the_caller_sends_under_its_name_is_removed(door: StartDoor, name: str) -> None:
    here = door(answering(digest))
    client = here.call()
    client.get("/", f"{name}: {FORGED}")
    client.get("/", f"{name}: {FORGED}", "X-Other: 1", f"{name}: {FORGED}")
    for received in here.agent.requests:
        (line,) = lines_of(received.head)
        assert line.endswith(f"URI={CALLER}".encode())
        assert FORGED.encode() not in received.head


def test_it_can_not_be_removed_by_nomination(door: StartDoor) -> None:
    here = door(answering(digest))
    assert here.call().get("/", "Connection: close, X-Forwarded-Client-Cert").status == 400
    assert here.call().get("/", "Connection: x_forwarded_client_cert").status == 400
    assert not here.agent.requests


def test_it_can_not_come_behind_a_body(door: StartDoor) -> None:
    here = door(answering(lambda received: response(received.body)))
    client = here.call()
    body = chunks(b"abc").removesuffix(b"\r\n") + b"X-Forwarded-Client-Cert: " + FORGED.encode()
    client.send(client.head("/", "Transfer-Encoding: chunked", method="POST") + body + b"\r\n\r\n")
    assert client.read_response().body == b"abc"
    assert FORGED.encode() not in here.agent.requests[0].head + here.agent.requests[0].body


def test_callers_that_share_a_connection_to_the_agent_are_told_apart(door: StartDoor) -> None:
    here = door(answering(digest))
    names = [f"{CALLER}{number}" for number in range(3)]
    clients = [here.call(name=name) for name in names]
    for client in (*clients, *reversed(clients)):
        assert client.get().status == 200
    said = [received.fields["x-forwarded-client-cert"] for received in here.agent.requests]
    expected = [*names, *reversed(names)]
    assert [text.rpartition("URI=")[2] for text in said] == expected
    assert here.agent.accepted == 1


def test_nobody_vouches_without_a_name_of_our_own(door: StartDoor, authority: Authority) -> None:
    here = door(answering(digest))
    identity = here.worker.new_identity(2, leaf=authority.issue("gateway.example"))
    here.worker.identity = replace(identity, spiffe_id="")
    here.worker.change()
    here.call().get()
    assert here.agent.requests[0].fields["x-forwarded-client-cert"].startswith("Hash=")


def test_statements_about_other_hops_and_the_callers_credentials(door: StartDoor) -> None:
    here = door(answering(digest))
    here.worker.change(headers=(("X-Token", "ours"),), redact=("ours",))
    here.call().get(
        "/",
        "Authorization: Bearer mine",
        "Cookie: a=b",
        "X-Api-Key: k",
        "Proxy-Authorization: Basic x",
        "X-Forwarded-For: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X-Token: mine",
    )
    fields = here.agent.requests[0].fields
    assert (fields["authorization"], fields["cookie"], fields["x-api-key"]) == (
        "Bearer mine",
        "a=b",
        "k",
    ), "they are meant for the agent"
    assert fields["x-token"] == "ours"
    assert not fields.keys() & {"proxy-authorization", "x-forwarded-for", "forwarded"}
