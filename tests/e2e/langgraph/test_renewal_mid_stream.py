"""A renewal on either side is no event for a stream, not even for one that can't be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import LangGraphProgram

pytestmark = pytest.mark.program("langgraph")

STREAM = """
async def work(client, gate):
    async for part in client.runs.stream(
        None, "agent", input={"steps": 3, "gate": gate}, stream_mode="custom"
    ):
        if part.event == "custom":
            say(part.data["step"])
    say("end")
"""


def test_a_stream_goes_on(langgraph: LangGraph, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    before = langgraph.gateways.renewals
    with LangGraphProgram(langgraph.url, STREAM, gate) as program:
        assert program.said() == 0
        for gateway in (langgraph.gateways.near, langgraph.gateways.far):
            done = gateway.command("identity", "renew")
            assert done.returncode == 0, done.stderr
        assert langgraph.gateways.renewals > before
        gate.touch()
        assert [program.said() for _ in range(3)] == [1, 2, "end"]
