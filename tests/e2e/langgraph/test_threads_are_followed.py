"""The newer protocol: commands to a thread, and its events by SSE or by a WebSocket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import LangGraphProgram

pytestmark = pytest.mark.program("langgraph")

FOLLOW = """
async def work(client, transport, gate):
    async with client.threads.stream(assistant_id="agent", transport=transport) as thread:
        await thread.run.start(input={"steps": 3, "gate": gate})
        async for event in thread.subscribe(["values", "lifecycle"]):
            data = event["params"]["data"]
            say([event["method"], data.get("done", data.get("event"))])
            if data.get("event") == "completed":
                break
        say((await thread.output)["done"])
"""


@pytest.mark.parametrize("transport", ["sse", "websocket"])
def test_events_come_as_they_happen(langgraph: LangGraph, tmp_path: Path, transport: str) -> None:
    gate = tmp_path / "gate"
    with LangGraphProgram(langgraph.url, FOLLOW, transport, gate) as program:
        assert program.said() == ["lifecycle", "running"]
        assert program.said() == ["values", []]
        gate.touch()
        said = [program.said() for _ in range(4)]
    done = ["values", [0, 1, 2]]
    assert said == [done, done, ["lifecycle", "completed"], [0, 1, 2]]
