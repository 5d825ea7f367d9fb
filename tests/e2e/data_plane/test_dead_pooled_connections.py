"""A kept connection that the upstream has closed is found out before a request is put on it, and
one that it is about to close isn't used; no POST is ever sent twice.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.scripted_upstream import Conversation, Script, response

ENDINGS: dict[str, Callable[[Conversation], None]] = {
    "farewell": Conversation.close,
    "cut": Conversation.cut,
    "reset": Conversation.reset,
}


def _start(lab: StartLab, ending: str) -> tuple[Lab, threading.Event]:
    closed = threading.Event()

    def script(conversation: Conversation) -> None:
        assert conversation.read_request() is not None
        conversation.send(response(b"%d" % conversation.number))
        if conversation.number == 1:
            ENDINGS[ending](conversation)
            closed.set()
        else:
            conversation.wait_gone()

    return lab(script), closed


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_next_request_gets_a_fresh_one(lab: StartLab, method: str, ending: str) -> None:
    here, closed = _start(lab, ending)
    client = here.connect()
    assert client.get("/1").body == b"1"
    assert closed.wait(5)
    here.worker.wait_for(lambda _: here.worker.stats().connections == {})
    answer = client.get("/2") if method == "GET" else client.post(b"x", "/2")
    assert answer.body == b"2"
    assert [request.target for request in here.upstream.requests] == ["/1", "/2"]


def _impatient(limit_s: float) -> Script:
    """Closes each connection that was idle for so long."""

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"ok"))
        conversation.socket.settimeout(limit_s)
        with suppress(TimeoutError):
            while conversation.read_request() is not None:
                conversation.send(response(b"ok"))
        conversation.close()

    return script


def _ledger(here: Lab) -> Counter[str]:
    return Counter(request.target for request in here.upstream.requests)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_meets_the_close(lab: StartLab, method: str, ending: str) -> None:
    """What can be sent again is; what can't is sent once, and its fate told."""

    def script(conversation: Conversation) -> None:
        assert conversation.read_request() is not None
        conversation.send(response(b"%d" % conversation.number))
        if conversation.number == 1:
            select.select([conversation.socket], [], [])  # it is here, and nobody reads it
            ENDINGS[ending](conversation)
        else:
            conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    assert client.get("/1").body == b"1"
    if method == "GET":
        assert client.get("/2").body == b"2"
    else:
        assert client.post(b"x", "/2").status == 502
    assert here.upstream.accepted == (2 if method == "GET" else 1)
    assert _ledger(here) == {"/1": 1} | ({"/2": 1} if method == "GET" else {})


def test_an_upstreams_own_limit_is_found_out_and_kept_away_from(lab: StartLab) -> None:
    limit_s = 1.0
    here = lab(_impatient(limit_s))
    client = here.connect()

    def learned() -> bool:
        return any(
            "closes idle connections" in line["message"] for line in here.worker.events("log")
        )

    for number in range(10):
        assert client.get(f"/warm{number}").status == 200
        here.worker.wait_for(lambda _: here.worker.stats().connections == {})
        if learned():
            break
    assert learned()
    for number in range(8):
        assert client.post(b"{}", f"/post{number}").status == 200
        time.sleep(limit_s * (0.8 + 0.05 * number))
    assert client.post(b"{}", "/post8").status == 200
    counts = _ledger(here)
    assert [counts[f"/post{number}"] for number in range(9)] == [1] * 9
    assert client.get("/soon").status == 200
    before = here.upstream.accepted
    assert client.get("/again").status == 200
    assert here.upstream.accepted == before, "a connection is still used again at once"


def test_after_a_sleep_idle_connections_are_not_trusted(lab: StartLab) -> None:
    """Nothing tells that the other side, or what lies between, has forgotten them meanwhile."""

    def script(conversation: Conversation) -> None:
        while conversation.read_request() is not None:
            conversation.send(response(b"%d" % conversation.number))

    here = lab(script)
    client = here.connect()
    assert client.post(b"{}").body == b"1"
    os.kill(here.worker.pid, signal.SIGSTOP)
    try:
        time.sleep(6.5)
        client.send(client.post_bytes(b"{}"))
    finally:
        os.kill(here.worker.pid, signal.SIGCONT)
    assert client.read_response().body == b"2"
    assert here.worker.stats().retired == {"slept": 1}
