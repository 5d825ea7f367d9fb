"""The log names MCP requests by headers or first bytes, traces, and callers; the bytes go on."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from gateway.ipc.grants import OTHER_PROGRAMS
from gateway.ipc.snapshot import AllowSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, client_context
from tests.fakes.scripted_upstream import (
    Conversation,
    ScriptedUpstream,
    answering,
    chunks,
    echo,
    response,
    wait_until,
)

CALL = {"method": "tools/call", "params": {"name": "sum", "arguments": {"pin": 1234}}}
BODY = json.dumps(CALL | {"jsonrpc": "2.0", "id": 1}).encode()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TOKEN = "dwgw_0123456789abcdef"


def _has(upstream: ScriptedUpstream, requests: int) -> bool:
    return len(upstream.requests) == requests


def test_a_body_names_the_request_in_one_piece_or_behind_its_head(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    assert client.post(BODY).body == BODY
    # The body comes when the head is on its way already, and the rest of it later still.
    for rest in (b"", b" " * 100_000):
        whole = BODY + rest
        wanted = len(here.upstream.requests) + 1
        client.send(client.post_bytes(whole)[: -len(whole)])
        wait_until(partial(_has, here.upstream, wanted))
        client.send(BODY)
        client.send(rest)
        assert client.read_response().body == whole
    client.send(client.head("/", "Transfer-Encoding: chunked", method="POST") + chunks(BODY))
    assert client.read_response().body == BODY
    assert client.post(b'{"pin": 1234, "method": "secret/method"}').status == 200
    assert client.post(BODY, "/", "Mcp-Method: tools/list").status == 200
    log = here.worker.access_log(6)
    assert [(line["mcp_method"], line["mcp_name"]) for line in log] == [
        *[("tools/call", "sum")] * 4,
        ("", ""),
        ("tools/list", ""),
    ]
    assert "1234" not in json.dumps(log)


def test_an_event_stream_is_named_at_its_end(lab: StartLab) -> None:
    go_on = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        conversation.send(b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"data: 1\n\n")[:-5])
        go_on.wait(10)
        conversation.send(b"0\r\n\r\n")

    here = lab(script)
    client = here.connect()
    client.send(client.post_bytes(BODY))
    client.read_head()
    assert client.read_chunk() == b"data: 1\n\n"
    go_on.set()
    assert client.read_chunk() == b""
    (line,) = here.worker.access_log(1)
    assert (line["mcp_method"], line["mcp_name"]) == ("tools/call", "sum")


def test_what_came_before_names_no_later_request(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.post(BODY)
    client.get("/plain")
    client.get("/", "Origin: null")
    log = here.worker.access_log(3)
    assert [line["mcp_method"] for line in log] == ["tools/call", "", ""]


def test_trace_headers_go_on_untouched(lab: StartLab) -> None:
    here = lab(answering(echo))
    fields = {
        "traceparent": TRACE,
        "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "baggage": "userId=alice,isProduction=false",
        "X-Request-Id": "of-the-client",
    }
    here.connect().get("/", *(f"{name}: {value}" for name, value in fields.items()))
    (received,) = here.upstream.requests
    assert {name: received.fields[name.lower()] for name in fields} == fields
    (line,) = here.worker.access_log(1)
    assert line["traceparent"] == TRACE
    assert "alice" not in json.dumps(line)


def test_a_malformed_or_repeated_trace_is_the_upstreams_to_judge(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    assert client.get("/", "traceparent: hush").status == 200
    assert client.get("/", f"traceparent: {TRACE}", f"Traceparent: {TRACE}").status == 200
    assert here.upstream.requests[0].fields["traceparent"] == "hush"
    assert here.upstream.requests[1].head.count(TRACE.encode()) == 2
    assert [line["traceparent"] for line in here.worker.access_log(2)] == ["", ""]


def test_a_failure_says_where_and_why(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"no", status="418 I'm a teapot"))
        conversation.read_request()
        conversation.send(b"nonsense\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    client.get()
    answer = json.loads(client.get().body)
    own, broken = here.worker.access_log(2)
    assert (own["status"], own["reason"], own["stage"]) == (418, "", "upstream")
    assert (broken["status"], broken["reason"]) == (502, "bad_response")
    assert (broken["id"], broken["detail"]) == (answer["request_id"], answer["detail"])
    assert broken["stage"] == answer["stage"] == "response"


def test_an_address_that_failed_is_named(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.change(upstream={"addresses": (("127.0.0.1", 1),)})
    assert here.connect().get().status == 502
    (line,) = here.worker.access_log(1)
    assert (line["upstream"], line["reason"]) == ("127.0.0.1:1", "unreachable")
    assert "generation" not in line


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")
def test_the_rule_that_let_a_caller_in_is_named(lab: StartLab) -> None:
    here = lab(answering(echo), grants=(OTHER_PROGRAMS,))
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    exe = str(Path("/proc/self/exe").readlink())
    here.worker.change(
        allow=(
            AllowSpec(uid=None, exe="", token="ide", token_sha256=digest),
            AllowSpec(uid=os.getuid(), exe=exe, token="", token_sha256=""),
        )
    )
    client = here.connect()
    client.get("/", "X-Devwiz-Gw-Token: " + TOKEN)
    client.get("/")
    log = here.worker.access_log(2)
    me = f"uid:{os.getuid()}"
    assert [line["caller"] for line in log] == [f"{me} token:ide", f"{me} exe:{exe}"]
    assert TOKEN not in json.dumps(log)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells on Linux only")
def test_a_unix_socket_tells_the_process_too(lab: StartLab, tmp_path: Path) -> None:
    here = lab(answering(echo), unix_socket=tmp_path / "x.sock", grants=(OTHER_PROGRAMS,))
    here.connect().get()
    (line,) = here.worker.access_log(1)
    program = Path("/proc/self/exe").readlink()
    assert line["caller"] == f"uid:{os.getuid()} pid:{os.getpid()} exe:{program}"


def test_a_tunnel_of_bytes_has_its_line(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(conversation.read_exactly(4)[::-1])
        assert conversation.read() == b""
        conversation.close()

    here = lab(script)
    here.worker.change(kind="tcp")
    client = here.connect()
    client.send(b"ping")
    assert client.read_exactly(4) == b"gnip"
    client.half_close()
    assert client.ended()
    (line,) = here.worker.access_log(1)
    assert (line["method"], line["path"], line["status"], line["reason"]) == ("TCP", "-", 200, "")
    assert (line["bytes_up"], line["bytes_down"], line["generation"]) == (4, 4, 1)
    assert (line["upstream"], line["reused"]) == (f"127.0.0.1:{here.upstream.port}", False)


def test_a_remote_caller_is_named_by_its_certificate(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    with socket.create_server(("127.0.0.1", 0)) as agent:
        agent_port = agent.getsockname()[1]
        here.worker.change(
            ingress=True,
            upstream={"addresses": (("127.0.0.1", agent_port),)},
            tls={"peers": ("spiffe://acme.example/**",)},
        )
        leaf = authority.issue("spiffe://acme.example/agent/caller")
        plain = socket.create_connection(("127.0.0.1", here.worker.ports[0]), timeout=10)
        with client_context(leaf, authority).wrap_socket(plain) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % here.worker.ports[0])
            served, _ = agent.accept()
            with served:
                served.recv(4096)
                served.sendall(response(b"hello"))
                assert caller.recv(4096).endswith(b"hello")
    (line,) = here.worker.access_log(1)
    assert line["caller"] == "spiffe://acme.example/agent/caller"
    assert line["upstream"] == f"127.0.0.1:{agent_port}"
    assert (line["generation"], "peer" in line) == (1, False)
    assert line["tls_group"]
