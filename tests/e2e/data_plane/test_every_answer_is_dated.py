"""Every final answer says when it was made: by the upstream, or else by the gateway."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import field_of
from tests.fakes.scripted_upstream import Conversation

HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def date_of(head: bytes) -> float:
    return parsedate_to_datetime(field_of(head, "Date") or "").timestamp()


@pytest.mark.parametrize("status", [b"200 OK", b"304 Not Modified", b"401 Unauthorized", b"503 No"])
def test_an_upstream_without_a_clock(lab: StartLab, status: bytes) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HINTS + b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        conversation.wait_gone()

    client = lab(script).connect()
    before = int(time.time())
    client.send(client.head())
    assert client.read_head() == HINTS
    assert before <= date_of(client.read_head()) <= time.time()


def test_an_upstream_with_one(lab: StartLab) -> None:
    head = b"HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(head)
        conversation.wait_gone()

    client = lab(script).connect()
    client.send(client.head())
    assert client.read_head() == head


def test_the_gateway_s_own(lab: StartLab) -> None:
    client = lab(lambda conversation: conversation.wait_gone()).connect()
    before = int(time.time())
    client.send(b"GET / HTTP/2.0\r\n\r\n")
    assert before <= date_of(client.read_head()) <= time.time()
