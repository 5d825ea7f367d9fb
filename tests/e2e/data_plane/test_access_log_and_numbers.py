"""One access line a request, with nothing secret in it, and numbers that add up."""

from __future__ import annotations

import os

import pytest

from gateway.ipc.snapshot import AllowSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import (
    Conversation,
    Received,
    ScriptedUpstream,
    answering,
    chunks,
    response,
)
from tests.fakes.worker_rig import PEER, TOKEN


def _answer(received: Received) -> bytes:
    if received.target == "/missing":
        return response(b"no such thing", status="404 Not Found")
    if received.target == "/chunked":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"abc", b"de")
    return response(received.body)


def test_lines_tell_what_happened(lab: StartLab) -> None:
    here = lab(answering(_answer))
    client = here.connect()
    lines = ("Mcp-Method: tools/call", 'Mcp-Name: a"b\\c', "Cookie: session=hush")
    client.post(b"12345", "/mcp?api_key=hush", *lines)
    client.get("/missing")
    client.get("/chunked")
    client.get("/", "Origin: null")
    client.send(b"\x00\r\n\r\n")
    assert client.read_response().status == 400
    log = here.worker.access_log(5)
    assert [(e["method"], e["path"], e["status"], e["reason"]) for e in log] == [
        ("POST", "/mcp", 200, ""),
        ("GET", "/missing", 404, ""),
        ("GET", "/chunked", 200, ""),
        ("GET", "/", 403, "foreign_origin"),
        ("-", "-", 400, "bad_request"),
    ]
    first = log[0]
    assert (first["mcp_method"], first["mcp_name"]) == ("tools/call", 'a"b\\c')
    assert (first["bytes_up"], first["bytes_down"]) == (5, 5)
    assert (first["generation"], first["reused"], log[1]["reused"]) == (1, False, True)
    assert first["upstream"] == f"127.0.0.1:{here.upstream.port}"
    assert (first["peer"], first["caller"]) == (PEER, f"uid:{os.getuid()}")
    assert first["tls_group"]
    for line in log[1:3]:
        assert line["upstream_age_ms"] >= first["upstream_age_ms"]
        assert line["connection_age_ms"] >= line["total_ms"] // 1
    assert [(line["upstream"], line.get("generation")) for line in log[3:]] == [("", None)] * 2
    assert 0 <= first["first_byte_ms"] <= first["total_ms"] < 5000
    assert len({entry["id"] for entry in log}) == 5


def test_no_secret_and_no_query_string_is_logged(lab: StartLab) -> None:
    here = lab(answering(_answer))
    client = here.connect()
    client.post(b"the body", "/a?token=hush#", "Authorization: Bearer hush", "X-Api-Key: hush")
    client = here.connect()
    client.post(b"the body", "/b?token=hush", "Authorization: Bearer hush", "Cookie: hush")
    here.worker.access_log(2)
    everything = b"".join(
        body for kind in {k for k, _ in here.worker._frames} for body in here.worker.frames(kind)
    )
    assert b"hush" not in everything
    assert TOKEN.encode() not in everything
    assert b"the body" not in everything


def test_an_exchange_that_breaks_has_one_line(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"123456")[:-2])
        conversation.cut()

    here = lab(script)
    client = here.connect()
    with pytest.raises(Truncated):
        client.get()
    entries = here.worker.access_log(1)
    assert [(e["status"], e["reason"], e["bytes_down"]) for e in entries] == [
        (200, "upstream_closed", 4)
    ]


def test_numbers_add_up(lab: StartLab) -> None:
    here = lab(answering(_answer))
    clients = [here.connect() for _ in range(3)]
    for client in clients:
        for number in range(10):
            assert client.post(b"x" * number).status == 200
        assert client.get("/missing").status == 404
        assert client.get("/", "Origin: null").status == 403
    stats = here.worker.stats()
    assert stats.requests == {"200": 30, "404": 3, "403": 3}
    assert stats.failures == {"foreign_origin": 3}
    assert stats.rejected == {"foreign_origin": 3}
    assert stats.bytes_up == 3 * 45
    assert stats.bytes_down == 3 * (45 + len(b"no such thing"))
    assert sum(stats.duration_buckets.values()) == 36
    assert stats.duration_sum_s >= 0
    assert (stats.active, stats.streams, stats.downstream_connections) == (0, 0, 3)
    assert stats.connections == {"1": 1}
    assert here.upstream.accepted == 1
    assert stats.handshakes == {f"TLSv1.3 {stats.tls_group}": 1}
    assert (stats.reused, stats.idle, stats.client_aborts) == (32, 1, 0)
    assert (stats.tls_version, stats.tls_cipher[:4]) == ("TLSv1.3", "TLS_")
    assert stats.tls_group
    assert len(here.worker.access_log(36)) == 36


def test_trouble_is_counted_by_its_kind(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"first"))
        conversation.read_request()
        if conversation.number > 1:
            conversation.wait_gone()
        conversation.cut()

    here = lab(script)
    first, second = here.connect(), here.connect()
    assert first.get().body == b"first"
    assert first.get().body == b"first", "on another connection, as the kept one was cut"
    second.send(second.head())
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 4)
    second.close()
    here.worker.access_log(3)
    stats = here.worker.stats()
    assert (stats.retries, stats.client_aborts) == ({"upstream_closed": 1}, 1)
    assert stats.requests == {"200": 2, "499": 1}
    assert sum(stats.handshakes.values()) == 2


def test_streams_and_tunnels_are_told_apart(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        if received.target == "/ws":
            conversation.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
            conversation.send(b"Upgrade: websocket\r\n\r\n")
        else:
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            conversation.send(b"Transfer-Encoding: chunked\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    clients = [here.connect() for _ in range(3)]
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    for client, target, lines in zip(clients, ("/ws", "/a", "/b"), (upgrade, (), ()), strict=True):
        client.send(client.head(target, *lines))
        client.read_head()
    stats = here.worker.stats()
    assert (stats.active, stats.streams, stats.tunnels, stats.idle) == (3, 3, 1, 0)
    assert stats.connections == {"1": 3}


def test_a_refusal_of_the_certificate_is_counted_by_its_alert(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(_answer))
    other = server_context(authority.issue("localhost", PEER), Authority())
    with ScriptedUpstream(other, answering(_answer)) as strict:
        here.worker.change(upstream={"addresses": (("127.0.0.1", strict.port),)})
        for _ in range(2):
            assert here.connect().post(b"x").status == 502
        assert here.worker.stats().late_alerts == {"unknown ca": 2}


def test_refused_callers_are_counted_by_kind(lab: StartLab) -> None:
    here = lab(answering(_answer))
    rule = AllowSpec(uid=None, exe="", token="ide", token_sha256="0" * 64)
    here.worker.change(allow=(rule,))
    assert here.connect().get().status == 403
    assert here.connect().get("/", "X-Devwiz-Gw-Token: guess").status == 403
    stats = here.worker.stats()
    assert (stats.denied, stats.rejected) == (
        {"no_rule": 1, "bad_token": 1},
        {"caller_denied": 2},
    )
