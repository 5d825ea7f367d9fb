"""A stream whose upstream's machine is gone, while nobody has anything to say, ends in a minute."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.fakes.authority import Authority
from tests.fakes.far_lab import FarLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, wait_until
from tests.fakes.wire import Wire

MOST_S = 75.0


def streams(conversation: Conversation) -> None:
    conversation.read_head()
    conversation.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n"
    )
    conversation.socket.settimeout(None)
    conversation.wait_gone()


@pytest.mark.timeout(150)
def test_the_system_finds_out(wire: Wire, authority: Authority, tmp_path: Path) -> None:
    here = FarLab(wire, authority, streams, tmp_path, LimitsSpec())
    with here.worker.connect() as client:
        client.send(client.head("/events"))
        client.read_head()
        assert client.read_chunk() == b"data: 1\n"
        wire.cut()
        began = time.monotonic()
        client.socket.settimeout(MOST_S)
        with pytest.raises((Truncated, ConnectionResetError)):
            client.read_chunk()
        assert time.monotonic() - began > 20, "a pause in the network is no end"
    wait_until(lambda: here.worker.stats().connections == {})
    here.close()
