"""A kept connection that the upstream has closed is found out before a request is put on it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.scripted_upstream import Conversation, response

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
