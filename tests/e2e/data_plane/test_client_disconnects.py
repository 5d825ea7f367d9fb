"""A client that goes away takes its work at the remote agent with it, at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Script

AT_ONCE_S = 0.5


class Ends:
    """When and how the upstream saw its connection end."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def then_wait(self, begin: Script) -> Script:
        """A script that waits for the end after `begin`."""

        def script(conversation: Conversation) -> None:
            begin(conversation)
            conversation.wait_gone()
            self.seen.append(time.monotonic())

        return script

    def check(self, here: Lab, since: float) -> None:
        """The end came at once, and the worker has forgotten the exchange."""
        here.upstream.wait_for(lambda _: len(self.seen) == 1)
        assert self.seen[0] - since < AT_ONCE_S
        here.worker.wait_for(lambda _: here.worker.stats().active == 0)
        assert here.worker.stats().connections == {}


def _request(conversation: Conversation) -> None:
    conversation.read_request()


def _head(conversation: Conversation) -> None:
    conversation.read_head()


def _half_a_response(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset, RawClient.half_close])
def test_while_the_answer_is_awaited(lab: StartLab, leave: Callable[[RawClient], None]) -> None:
    ends = Ends()
    here = lab(ends.then_wait(_request))
    client = here.connect()
    client.send(client.post_bytes(b"work", "/", "Mcp-Method: tools/call"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    since = time.monotonic()
    leave(client)
    ends.check(here, since)
    line = here.worker.access_log(1)[0]
    assert (line["status"], line["reason"]) == (0, "client_closed")


def test_in_the_middle_of_the_response(lab: StartLab) -> None:
    ends = Ends()
    here = lab(ends.then_wait(_half_a_response))
    client = here.connect()
    client.send(client.head())
    client.read_head()
    since = time.monotonic()
    client.close()
    ends.check(here, since)


def test_in_the_middle_of_an_upload(lab: StartLab) -> None:
    ends = Ends()
    here = lab(ends.then_wait(_head))
    client = here.connect()
    client.send(client.head("/", "Content-Length: 1000000", method="POST") + b"beginning")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    since = time.monotonic()
    client.close()
    ends.check(here, since)


def test_while_the_upload_is_held_back_by_the_upstream(lab: StartLab) -> None:
    """The worker isn't reading from the client then, and must notice all the same."""
    left = threading.Event()
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        assert left.wait(5)
        ends.append(conversation.wait_gone())

    here = lab(script, receive_buffer=65_536)
    client = here.connect()
    client.send(client.head("/", "Content-Length: 1000000000", method="POST"))
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            client.send(bytes(1 << 20))
    client.reset()
    here.worker.wait_for(lambda _: here.worker.stats().active == 0)
    assert here.worker.stats().connections == {}
    left.set()
    here.upstream.wait_for(lambda _: len(ends) == 1)


def test_while_its_response_is_held_back_by_itself(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            conversation.send(bytes(65_536))

    here = lab(script)
    client = here.connect(receive_buffer=16_384)
    client.send(client.head())
    client.read_head()
    time.sleep(0.1)
    client.reset()
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})


def test_while_the_dial_is_under_way_nothing_is_sent(lab: StartLab) -> None:
    here = lab(Ends().then_wait(_request))
    client = here.connect()
    client.send(client.head("/never"))
    client.reset()
    here.worker.wait_for(lambda _: here.worker.stats().active == 0)
    other = here.connect()
    other.send(other.head("/other"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) > 0)
    assert [r.target for r in here.upstream.requests if r.target == "/other"] == ["/other"]


def test_another_client_is_not_disturbed(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        if received.target == "/stays":
            here.upstream.wait_for(lambda _: bool(gone))
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        conversation.wait_gone()
        gone.append(received.target)

    gone: list[str] = []
    here = lab(script)
    stays, leaves = here.connect(), here.connect()
    stays.send(stays.head("/stays"))
    leaves.send(leaves.head("/leaves"))
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 2)
    leaves.close()
    assert stays.read_response().body == b"ok"
    assert gone == ["/leaves"]
