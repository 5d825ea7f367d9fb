"""Waits that end: 504 with the stage, and silence for those who send no request."""

from __future__ import annotations

import json
import socket
import time

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Response
from tests.fakes.scripted_upstream import Conversation, answering, echo, response


def _stage(answer: Response) -> str:
    assert answer.status == 504
    stage: str = json.loads(answer.body)["stage"]
    return stage


def test_a_connection_that_is_not_accepted(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(connect_timeout_s=0.1))
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            here.worker.change(upstream={"addresses": (full.getsockname(),)})
            assert _stage(here.connect().get()) == "connect"


def test_a_handshake_that_is_not_answered(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(connect_timeout_s=0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        here.worker.change(upstream={"addresses": (silent.getsockname(),)})
        assert _stage(here.connect().get()) == "tls"


def test_a_response_that_does_not_come(lab: StartLab) -> None:
    here = lab(
        Conversation.wait_gone,
        limits=LimitsSpec(response_timeout_s=0.1),
    )
    client = here.connect()
    assert _stage(client.get()) == "response"
    assert here.worker.stats().connections == {}


def test_a_long_upload_is_no_late_response(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(response_timeout_s=0.8))
    client = here.connect()
    client.send(client.head("/", "Content-Length: 8", method="POST"))
    for _ in range(8):
        assert client.is_quiet(0.2)
        client.send(b"x")
    assert client.read_response().body == b"x" * 8


def test_a_body_has_no_time_limit(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"123456")[:-3])
        time.sleep(1.2)  # deadlines are looked at once a second
        conversation.send(b"456")
        conversation.wait_gone()

    here = lab(script, limits=LimitsSpec(response_timeout_s=0.1))
    client = here.connect()
    assert client.get().body == b"123456"


def test_a_slow_loris_is_hung_up_on(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(head_timeout_s=0.1))
    client = here.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: ")
    assert client.ended()
    assert here.upstream.requests == []


def test_a_trickle_is_hung_up_on_too(lab: StartLab) -> None:
    """The time is for the whole head, however much of it comes."""
    here = lab(answering(echo), limits=LimitsSpec(head_timeout_s=0.5))
    client = here.connect()
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 1000:
            client.send(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - began < 5
    assert here.upstream.requests == []


def test_a_client_that_says_nothing_is_hung_up_on(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(head_timeout_s=0.1))
    assert here.connect().ended()


def test_an_idle_client_is_hung_up_on(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(idle_timeout_s=0.1))
    client = here.connect()
    client.get()
    assert client.ended()


def test_an_idle_upstream_connection_is_closed(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(upstream_idle_timeout_s=0.1))
    here.connect().get()
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    assert here.worker.stats().retired == {"idle": 1}
