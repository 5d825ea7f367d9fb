"""A WebSocket through an ingress is a tunnel, to the end of the first certificate."""

from __future__ import annotations

import ssl
import time
from datetime import timedelta

import pytest

from tests.e2e.data_plane.conftest import CALLER, StartDoor
from tests.fakes.authority import Authority
from tests.fakes.scripted_upstream import Conversation
from tests.fakes.tls_client import TlsClient

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def echoing(conversation: Conversation) -> None:
    received = conversation.read_head()
    assert received is not None
    assert received.fields["upgrade"] == "websocket"
    assert received.fields["x-forwarded-client-cert"].endswith(f"URI={CALLER}")
    conversation.send(SWITCH + b"early")
    while data := conversation.read():
        conversation.send(data[::-1])
    conversation.close()


def switched(client: TlsClient) -> TlsClient:
    client.send(client.head("/ws", "Connection: Upgrade", "Upgrade: websocket") + b"first")
    assert client.read_head().startswith(b"HTTP/1.1 101 ")
    assert client.read_exactly(10) == b"earlytsrif"
    return client


def test_bytes_go_both_ways_to_both_ends(door: StartDoor) -> None:
    here = door(echoing)
    client = switched(here.call())
    here.worker.rotate()  # it goes on with the certificate that it was made with
    client.send(b"last words")
    client.half_close()
    assert client.read_to_end() == b"sdrow tsal"
    assert here.worker.access_log(1)[0]["status"] == 101


def test_it_ends_with_the_caller_s_certificate(door: StartDoor, authority: Authority) -> None:
    here = door(echoing)
    leaf = authority.issue(CALLER, ends=timedelta(seconds=2))
    client = switched(here.call(leaf))
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.read_to_end()
    assert leaf.not_after <= time.time() < leaf.not_after + 1.5
    assert here.worker.access_log(1)[0]["reason"] == "certificate_expired"
