"""Each mode of a stream arrives, and arrives when it happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import LangGraphProgram

pytestmark = pytest.mark.program("langgraph")

MODES = """
MODES = ["values", "messages", "updates", "events", "tasks", "checkpoints", "debug", "custom"]


async def work(client):
    thread_id = (await client.threads.create())["thread_id"]
    seen = {}
    for modes in (MODES, ["messages-tuple"]):
        async for part in client.runs.stream(
            thread_id, "agent", input={"steps": 2}, stream_mode=modes
        ):
            seen.setdefault(part.event, []).append(part.data)
    say([sorted(seen), [item["step"] for item in seen["custom"]], seen["values"][-1]["done"]])
"""
AT_ONCE = """
async def work(client, gate):
    async for part in client.runs.stream(
        None, "agent", input={"steps": 3, "gate": gate}, stream_mode="custom"
    ):
        if part.event == "custom":
            say(part.data["step"])
    say("end")
"""


def test_all_modes_arrive(langgraph: LangGraph) -> None:
    kinds, steps, done = langgraph.result(MODES)
    assert set(kinds) >= {
        *("metadata", "values", "updates", "events", "tasks", "checkpoints", "debug", "custom"),
        *("messages/metadata", "messages/partial", "messages"),
    }
    assert steps == [0, 1]
    assert done == [0, 1]


def test_an_event_is_there_before_the_next_one_happens(
    langgraph: LangGraph, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with LangGraphProgram(langgraph.url, AT_ONCE, gate) as program:
        assert program.said() == 0
        gate.touch()
        assert [program.said() for _ in range(3)] == [1, 2, "end"]
