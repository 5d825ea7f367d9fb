"""A stream comes piece by piece; who leaves it is gone at once, and may follow the task again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.a2a.conftest import A2a
from tests.fakes.scripted_upstream import wait_until

# Follows until the first artifact; says the task.
FOLLOW = """
async def work(card, http, binding, gate):
    client = client_of(card, http, binding)
    async for item in client.send_message(asks("work " + gate)):
        item = plain(item)
        if "artifactUpdate" in item:
            say(item["artifactUpdate"]["taskId"])
            break
    await asyncio.sleep(60)
"""
FOLLOW_AGAIN = """
async def work(card, http, binding, task):
    client = client_of(card, http, binding)
    said = []
    async for item in client.subscribe(SubscribeToTaskRequest(id=task)):
        item = plain(item)
        if "task" in item:
            say("here")
        elif "artifactUpdate" in item:
            said.append(item["artifactUpdate"]["artifact"]["parts"][0]["text"])
        elif "statusUpdate" in item:
            said.append(item["statusUpdate"]["status"]["state"])
    say(said)
"""


@pytest.mark.program("a2a")
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
def test_over_http(a2a: A2a, tmp_path: Path, binding: str) -> None:
    gate = tmp_path / "gate"
    before = len(a2a.requests())
    with a2a.program(FOLLOW, binding, gate) as first:
        task = first.said()
        first.kill()

    def left() -> bool:
        return "client_closed" in {line["reason"] for line in a2a.requests()[before:]}

    wait_until(left, 20)
    with a2a.program(FOLLOW_AGAIN, binding, task) as second:
        assert second.said() == "here"
        gate.touch()
        assert second.said() == ["second", "TASK_STATE_COMPLETED"]


@pytest.mark.program("a2a")
def test_over_grpc(a2a: A2a, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with a2a.program(FOLLOW, "GRPC", gate) as first:
        task = first.said()
        first.kill()
    wait_until(lambda: bool(a2a.requests("outbound-grpc")), 20)
    with a2a.program(FOLLOW_AGAIN, "GRPC", task) as second:
        assert second.said() == "here"
        gate.touch()
        assert second.said() == ["second", "TASK_STATE_COMPLETED"]
