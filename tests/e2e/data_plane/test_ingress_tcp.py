"""An ingress can carry bytes as they are; what can't be said in them is said by a cut."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.data_plane.tcp import HTTP_2_PREFACE
from gateway.ipc import events
from gateway.ipc.grants import UNIX_SOCKETS
from tests.e2e.data_plane.conftest import CALLER, StartDoor
from tests.fakes.authority import Authority, client_context
from tests.fakes.scripted_upstream import Conversation, wait_until


def echoing(conversation: Conversation) -> None:
    while data := conversation.read():
        conversation.send(data)
    conversation.close()


def test_bytes_go_both_ways_to_both_ends(door: StartDoor) -> None:
    here = door(echoing, carries="tcp", alpn=())
    client = here.call(alpn=())
    for message in (b"\x00\xff", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 500):
        client.send(message)
        assert client.read_exactly(len(message)) == message
    client.half_close()
    assert client.read_to_end() == b""
    (line,) = here.worker.access_log(1)
    assert (line["method"], line["status"], line["caller"]) == ("TCP", 200, CALLER)


def test_the_agent_s_half_close_leaves_the_way_up_open(door: StartDoor) -> None:
    got: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.send(b"bye")
        conversation.end_writing()
        while data := conversation.read():
            got.append(data)

    here = door(script, carries="tcp", alpn=())
    client = here.call(alpn=())
    assert client.read_to_end() == b"bye"
    client.send(b"still here")
    client.half_close()
    wait_until(lambda: here.worker.stats().active == 0)
    assert b"".join(got) == b"still here"


def test_an_agent_that_breaks_is_a_cut_for_the_caller(door: StartDoor) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(b"half")
        conversation.read_exactly(2)
        conversation.reset()

    client = door(script, carries="tcp", alpn=()).call(alpn=())
    assert client.read_exactly(4) == b"half"
    client.send(b"ok")
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.read_to_end()


def test_a_caller_without_a_farewell_is_a_cut_for_the_agent(door: StartDoor) -> None:
    """A TCP end alone can be forged: it is no end of what the caller had to say."""
    ends: list[str] = []
    heard = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_exactly(4)
        heard.set()
        ends.append(conversation.wait_gone())

    here = door(script, carries="tcp", alpn=())
    client = here.call(alpn=())
    client.send(b"half")
    assert heard.wait(10)  # what a cut overtakes is lost
    client.close()
    here.agent.wait_for(lambda _: len(ends) == 1)
    assert ends == ["reset"]


def test_another_workload_is_cut_and_leaves_a_trace(door: StartDoor) -> None:
    here = door(echoing, carries="tcp", alpn=())
    client = here.call(alpn=(), name="spiffe://acme.example/elsewhere")
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.send(b"hello")
        client.read_to_end()
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert "spiffe://acme.example/elsewhere" in told["reason"]
    (line,) = here.worker.access_log(1)
    assert (line["status"], line["reason"]) == (403, "peer_denied")
    assert here.agent.accepted == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        (("h2", "http/1.1"), ("http/1.1", "h2"), "h2"),
        (("h2",), (), None),
        ((), ("h2",), None),
    ],
)
def test_what_is_agreed_on(
    door: StartDoor, ours: tuple[str, ...], theirs: tuple[str, ...], agreed: str | None
) -> None:
    here = door(echoing, carries="tcp", alpn=ours)
    client = here.call(alpn=theirs)
    client.send(HTTP_2_PREFACE)
    assert client.read_exactly(len(HTTP_2_PREFACE)) == HTTP_2_PREFACE
    assert client.tls.selected_alpn_protocol() == agreed


def test_nothing_in_common_is_no_connection(door: StartDoor, authority: Authority) -> None:
    here = door(echoing, carries="tcp", alpn=("h2",))
    context = client_context(authority.issue(CALLER), authority, alpn=("http/1.1",))
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        here.call(context=context).read_to_end()
    assert here.agent.accepted == 0


def test_a_connection_ends_with_the_caller_s_certificate(
    door: StartDoor, authority: Authority
) -> None:
    here = door(echoing, carries="tcp", alpn=())
    leaf = authority.issue(CALLER, ends=timedelta(seconds=2))
    client = here.call(leaf, alpn=())
    client.send(b"x")
    assert client.read_exactly(1) == b"x"
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.read_to_end()
    assert leaf.not_after <= time.time() < leaf.not_after + 1.5
    assert here.worker.access_log(1)[0]["reason"] == "certificate_expired"


def test_an_agent_on_a_unix_socket(door: StartDoor, tmp_path: Path) -> None:
    path = str(tmp_path / "agent.sock")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(5)

    def serve() -> None:
        sock, _ = listening.accept()
        with sock:
            while data := sock.recv(65_536):
                sock.sendall(data)

    agent = threading.Thread(target=serve)
    agent.start()
    here = door(echoing, carries="tcp", alpn=(), grants=(UNIX_SOCKETS,))
    here.worker.change(upstream={"authority": "localhost", "addresses": ((path, 0),)})
    client = here.call(alpn=())
    client.send(b"hello")
    client.half_close()
    assert client.read_to_end() == b"hello"
    agent.join(5)
    assert here.worker.access_log(1)[0]["upstream"] == f"unix:{path}"
    listening.close()
    gone = here.call(alpn=())
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        gone.read_to_end()
    assert f"connecting to unix:{path} failed" in here.worker.stats().last_error


def test_a_route_that_changes_its_kind_takes_nobody_along(
    door: StartDoor, authority: Authority
) -> None:
    """A plaintext caller of before is not one with a certificate, nor is HTTP a tunnel."""
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        assert go.wait(5)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        conversation.wait_gone()

    here = door(script)
    idle, half, busy = here.call(), here.call(), here.call()
    half.send(half.head()[:-5])
    busy.send(busy.head())
    here.agent.wait_for(lambda agent: len(agent.requests) == 1)
    here.agent.script = echoing
    here.worker.route = replace(here.worker.route, kind="tcp")
    here.worker.change()
    assert idle.read_to_end() == b""
    half.send(half.head()[-5:])
    assert half.read_response().status == 503
    go.set()
    assert busy.read_response().body == b"ok"
    assert busy.read_to_end() == b""
    raw = here.call()
    raw.send(b"raw")
    assert raw.read_exactly(3) == b"raw"
    here.worker.change(ingress=False, kind="http")
    with here.worker.connect() as plain:
        plain.send(plain.head()[:-5])
        wait_until(lambda: here.worker.stats().downstream_connections == 1)
        here.worker.stats()  # a turn later the head's beginning is read, too
        here.worker.change(ingress=True)
        plain.send(plain.head()[-5:])
        assert plain.read_response().status == 503
    assert here.call().tls.version() == "TLSv1.3"
