"""A task ends where its caller says so, by paths with colons as well as by JSON-RPC."""

from __future__ import annotations

import pytest

from tests.e2e.a2a.conftest import A2a

CANCEL = """
async def work(card, http):
    states = {}
    for binding in ("JSONRPC", "HTTP+JSON", "GRPC"):
        client = client_of(card, http, binding)
        async for item in client.send_message(asks("work /nowhere/at/all")):
            item = plain(item)
            if "artifactUpdate" in item:
                task = item["artifactUpdate"]["taskId"]
                cancelled = plain(await client.cancel_task(CancelTaskRequest(id=task)))
            elif "statusUpdate" in item:
                states[binding] = item["statusUpdate"]["status"]["state"]
        assert cancelled["status"]["state"] == states[binding]
    say(states)
"""


@pytest.mark.program("a2a")
def test_by_each_binding(a2a: A2a) -> None:
    bindings = ("JSONRPC", "HTTP+JSON", "GRPC")
    assert a2a.result(CANCEL) == dict.fromkeys(bindings, "TASK_STATE_CANCELED")
