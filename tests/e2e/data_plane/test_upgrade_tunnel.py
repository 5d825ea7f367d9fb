"""A WebSocket upgrade becomes a tunnel; nothing else does."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import RawClient, field_of
from tests.fakes.scripted_upstream import Conversation, answering, digest, response

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
ASK = ("Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: abc")


def _switched(client: RawClient) -> None:
    client.send(client.head("/ws", *ASK))
    head = client.read_head()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert field_of(head, "Upgrade") == "websocket"
    assert field_of(head, "Connection") == "Upgrade"


def test_bytes_go_both_ways_as_they_are(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        assert received.fields["connection"] == "Upgrade"
        assert received.fields["upgrade"] == "websocket"
        conversation.send(SWITCH + b"Sec-WebSocket-Accept: xyz\r\n\r\n")
        while data := conversation.read():
            conversation.send(data[::-1])

    client = lab(script).connect()
    _switched(client)
    for message in (b"hello", bytes(range(256)), b"\r\n\r\n"):
        client.send(message)
        assert client.read_exactly(len(message)) == message[::-1]


def test_early_bytes_of_both_sides_are_not_lost(lab: StartLab) -> None:
    got: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\nearly down")
        got.append(conversation.read_exactly(8))
        conversation.send(b"|thanks")
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head("/ws", *ASK) + b"early up")
    client.read_head()
    assert client.read_exactly(17) == b"early down|thanks"
    assert got == [b"early up"]


def test_the_client_s_half_close_leaves_the_way_down_open(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\n")
        everything = b""
        while data := conversation.read():
            everything += data
        conversation.send(everything * 1000)
        conversation.close()

    client = lab(script).connect()
    _switched(client)
    client.send(b"last words")
    client.half_close()
    assert client.read_to_end() == b"last words" * 1000


def test_the_upstream_s_half_close_leaves_the_way_up_open(lab: StartLab) -> None:
    got: list[bytes] = []
    done = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\nbye")
        conversation.end_writing()
        while data := conversation.read():
            got.append(data)
        done.set()

    here = lab(script)
    client = here.connect()
    _switched(client)
    assert client.read_to_end() == b"bye"
    client.send(b"still ")
    client.send(b"here")
    client.half_close()
    assert done.wait(5)
    assert b"".join(got) == b"still here"
    here.worker.wait_for(lambda _: here.worker.stats().active == 0)


def test_a_large_last_word_reaches_a_slow_reader(lab: StartLab) -> None:
    size = 4 << 20

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\n")
        conversation.send(bytes(size))
        conversation.close()

    client = lab(script).connect(receive_buffer=16_384)
    _switched(client)
    client.is_quiet(0.05)
    assert len(client.read_to_end()) == size


def test_silence_has_no_limit(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\n")
        time.sleep(2.5)  # deadlines are looked at once a second
        conversation.send(b"late")
        assert conversation.read_exactly(5) == b"later"
        conversation.wait_gone()

    limits = LimitsSpec(head_timeout_s=0.1, idle_timeout_s=0.1, response_timeout_s=0.1)
    client = lab(script, limits=limits).connect()
    _switched(client)
    assert client.read_exactly(4) == b"late"
    client.send(b"later")


def test_a_cut_tunnel_is_reset(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\nhalf a mess")
        conversation.cut()

    client = lab(script).connect()
    _switched(client)
    with pytest.raises(ConnectionResetError):
        client.read_to_end()


def test_a_vanished_client_ends_the_tunnel(lab: StartLab) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\n")
        ends.append(conversation.wait_gone())

    here = lab(script)
    client = here.connect()
    _switched(client)
    client.reset()
    here.upstream.wait_for(lambda _: len(ends) == 1)
    stats = here.worker.stats()
    assert (stats.active, stats.connections) == (0, {})


@pytest.mark.parametrize("protocol", ["h2c", "tls/1.0", "foo", "websocket, h2c"])
def test_other_upgrades_are_forwarded_as_plain_requests(lab: StartLab, protocol: str) -> None:
    here = lab(answering(digest))
    client = here.connect()
    lines = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMA")
    assert client.get("/", *lines).status == 200
    fields = here.upstream.requests[0].fields
    assert not {"connection", "upgrade", "http2-settings"} & fields.keys()


def test_a_101_that_nobody_asked_for_is_refused(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCH + b"\r\n")
        conversation.wait_gone()

    here = lab(script)
    assert here.connect().get().status == 502
    assert here.connect().get("/", "Connection: Upgrade", "Upgrade: h2c").status == 502


def test_an_upgrade_that_the_upstream_declines_is_a_normal_exchange(lab: StartLab) -> None:
    here = lab(answering(lambda _: response(b"no", status="426 Upgrade Required")))
    client = here.connect()
    for _ in range(2):
        assert client.get("/ws", *ASK).status == 426
    assert here.upstream.accepted == 1
