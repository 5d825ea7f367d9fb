"""What becomes of a run whose caller goes away is the caller's choice: the server hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import LangGraphProgram
from tests.fakes.scripted_upstream import wait_until

pytestmark = pytest.mark.program("langgraph")

BEGIN = """
async def work(client, on_disconnect, gate):
    thread_id = (await client.threads.create())["thread_id"]
    async for part in client.runs.stream(
        thread_id, "agent", input={"steps": 2, "gate": gate}, stream_mode="custom",
        on_disconnect=on_disconnect,
    ):
        if part.event == "custom":
            say(thread_id)
"""
STATUS = """
async def work(client, thread_id):
    say([run["status"] for run in await client.runs.list(thread_id)])
"""


def _left_alone(langgraph: LangGraph, on_disconnect: str, gate: Path) -> str:
    """A thread whose run waits before the gate, its caller killed."""
    with LangGraphProgram(langgraph.url, BEGIN, on_disconnect, gate) as program:
        thread_id: str = program.said()
        program.kill()
    return thread_id


def test_a_run_is_cancelled(langgraph: LangGraph, tmp_path: Path) -> None:
    thread_id = _left_alone(langgraph, "cancel", tmp_path / "never")
    wait_until(lambda: langgraph.result(STATUS, thread_id) == ["interrupted"], 20)


def test_a_run_goes_on(langgraph: LangGraph, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    thread_id = _left_alone(langgraph, "continue", gate)
    path = f"/threads/{thread_id}/runs/stream"
    wait_until(lambda: path in [line["path"] for line in langgraph.requests()])
    assert langgraph.result(STATUS, thread_id) == ["running"]
    gate.touch()
    wait_until(lambda: langgraph.result(STATUS, thread_id) == ["success"], 20)
