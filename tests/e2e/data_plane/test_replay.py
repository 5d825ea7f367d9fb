"""Only a harmless request whose kept connection died unanswered is sent a second time."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Script, response


def _dies_on(target: str, dying: Script = Conversation.cut) -> Script:
    """Answers, but ends the connection when it reads `target` on a used connection."""

    def script(conversation: Conversation) -> None:
        count = 0
        while (received := conversation.read_request()) is not None:
            count += 1
            if received.target == target and count > 1:
                dying(conversation)
                return
            conversation.send(response(b"ok"))

    return script


def _used_connection(here: Lab) -> RawClient:
    client = here.connect()
    assert client.get("/warm").status == 200
    return client


def _ledger(here: Lab) -> Counter[str]:
    return Counter(request.target for request in here.upstream.requests)


@pytest.mark.parametrize(
    ("method", "lines"),
    [("GET", ()), ("DELETE", ()), ("POST", ("Mcp-Method: tools/list", "Content-Length: 2"))],
)
def test_a_harmless_request_is_repeated_once(
    lab: StartLab, method: str, lines: tuple[str, ...]
) -> None:
    here = lab(_dies_on("/x"))
    client = _used_connection(here)
    client.send(client.head("/x", *lines, method=method) + (b"{}" if method == "POST" else b""))
    assert client.read_response().body == b"ok"
    assert _ledger(here) == {"/warm": 1, "/x": 2}
    assert here.upstream.requests[1].body == here.upstream.requests[2].body


@pytest.mark.parametrize("lines", [(), ("Mcp-Method: tools/call", "Mcp-Name: pay")])
def test_a_post_is_never_repeated(lab: StartLab, lines: tuple[str, ...]) -> None:
    here = lab(_dies_on("/x"))
    client = _used_connection(here)
    assert client.post(b"{}", "/x", *lines).status == 502
    assert _ledger(here) == {"/warm": 1, "/x": 1}


def test_nothing_is_repeated_twice(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.target == "/x":
                return conversation.cut()
            conversation.send(response(b"ok"))
        return None

    here = lab(script)
    assert _used_connection(here).get("/x").status == 502
    assert _ledger(here) == {"/warm": 1, "/x": 2}


def test_a_fresh_connection_s_request_is_not_repeated(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.cut()

    here = lab(script)
    assert here.connect().get("/x").status == 502
    assert _ledger(here) == {"/x": 1}


def test_nothing_is_repeated_after_the_first_byte_of_an_answer(lab: StartLab) -> None:
    def begin_and_die(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 2")
        conversation.cut()

    here = lab(_dies_on("/x", begin_and_die))
    assert _used_connection(here).get("/x").status == 502
    assert _ledger(here)["/x"] == 1


def test_nothing_is_repeated_after_a_malformed_answer(lab: StartLab) -> None:
    def garbage(conversation: Conversation) -> None:
        conversation.send(b"HTTP/9.9 nonsense\r\n\r\n")
        conversation.wait_gone()

    here = lab(_dies_on("/x", garbage))
    assert _used_connection(here).get("/x").status == 502
    assert _ledger(here)["/x"] == 1


def test_nothing_is_repeated_after_a_timeout(lab: StartLab) -> None:
    def hang(conversation: Conversation) -> None:
        conversation.wait_gone()

    here = lab(_dies_on("/x", hang), limits=LimitsSpec(response_timeout_s=0.1))
    assert _used_connection(here).get("/x").status == 504
    assert _ledger(here)["/x"] == 1


def test_a_streamed_upload_is_not_repeated(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_head()) is not None:
            if received.target == "/x":
                conversation.read_exactly(4)
                return conversation.cut()
            conversation.send(response(b"ok"))
        return None

    here = lab(script)
    client = _used_connection(here)
    client.send(client.head("/x", "Content-Length: 10", method="PUT") + b"ab")
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 2)
    client.send(b"cd")
    assert client.read_response().status == 502
    assert _ledger(here)["/x"] == 1
