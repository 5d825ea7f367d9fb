"""An upstream that knows one token, and the supervisor's part when it refuses another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.ipc.frames import Kind
from tests.fakes.scripted_upstream import Conversation, Received, Script, response
from tests.fakes.worker_rig import WorkerRig

OLD = "old-token-Zk3"
NEW = "new-token-Qp7"
CHALLENGE = 'WWW-Authenticate: Bearer resource_metadata="https://up/.well-known/x", scope="a"'


def attached(token: str) -> dict[str, Any]:
    """What a snapshot says of a route that attaches this token."""
    return {
        "headers": (("Authorization", f"Bearer {token}"),),
        "redact": (token,),
        "refreshable": True,
    }


def refusal(body: bytes = b"who are you", *lines: str) -> bytes:
    """A 401."""
    return response(body, CHALLENGE, *lines, status="401 Unauthorized")


def knows(token: str) -> Callable[[Received], bool]:
    """Whether a request holds the token."""
    return lambda received: received.fields["authorization"] == f"Bearer {token}"


def welcoming(token: str, refused: bytes = refusal()) -> Script:
    """Answers with method and body where the token is right, until the gateway closes."""

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if not knows(token)(received):
                conversation.send(refused)
            elif received.method == "HEAD":
                conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            else:
                conversation.send(response(received.method.encode() + b" " + received.body))

    return script


class RevokingUpstream:
    """The script of an upstream that may take a token back.

    Attributes:
        good: the one token that it knows.
        welcomed: targets of the requests that it let in.
        refused: how many it didn't.
    """

    def __init__(self, good: str) -> None:
        self.good = good
        self.welcomed: list[str] = []
        self.refused = 0

    def __call__(self, conversation: Conversation) -> None:
        with suppress(TimeoutError):  # an idle connection is closed
            while (received := conversation.read_request()) is not None:
                if knows(self.good)(received):
                    self.welcomed.append(received.target)
                    conversation.send(response(received.body))
                else:
                    self.refused += 1
                    conversation.send(refusal())


def until_asked(worker: WorkerRig, times: int = 1) -> None:
    """Wait until the worker has asked the supervisor for other credentials so often."""
    worker.wait_for(
        lambda frames: (
            sum(
                kind is Kind.EVENT and json.loads(body)["event"] == "unauthorized"
                for kind, body in frames
            )
            >= times
        )
    )


def tell_renewed(worker: WorkerRig) -> None:
    """The supervisor has tried."""
    worker.send(Kind.RENEWED, json.dumps({"route": worker.route.name}).encode())


def renew(worker: WorkerRig, token: str = NEW) -> None:
    """The supervisor has another token, and says so."""
    worker.change(**attached(token))
    tell_renewed(worker)
