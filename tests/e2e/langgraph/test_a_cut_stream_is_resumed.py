"""A stream that breaks on its way is taken up where it was: no event is missing, or comes twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph, langgraph_behind
from tests.fakes.langgraph_server import LangGraphProgram
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.two_gateways import TwoGateways

pytestmark = pytest.mark.program("langgraph")

STREAM = """
async def work(client, gate):
    thread_id = (await client.threads.create())["thread_id"]
    steps = []
    async for part in client.runs.stream(
        thread_id, "agent", input={"steps": 4, "gate": gate}, stream_mode="custom",
        stream_resumable=True,
    ):
        if part.event == "custom":
            steps.append(part.data["step"])
            say(steps)
    say("end")
"""


@pytest.mark.parametrize("side", ["near", "far"])
def test_after_a_worker_was_killed(langgraph: LangGraph, tmp_path: Path, side: str) -> None:
    gate = tmp_path / "gate"
    with LangGraphProgram(langgraph.url, STREAM, gate) as program:
        assert program.said() == [0]
        _kill_workers(langgraph.gateways, side)
        gate.touch()
        assert [program.said() for _ in range(4)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3], "end"]


def _kill_workers(gateways: TwoGateways, side: str) -> None:
    gateway = gateways.near if side == "near" else gateways.far
    for worker in gateway.status()["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)


@pytest.mark.timeout(120)
def test_after_a_certificate_ended(langgraph: LangGraph, tmp_path: Path) -> None:
    """An ingress lets no caller stay for longer than its certificate."""
    gate = tmp_path / "gate"
    with (
        langgraph_behind(langgraph.server, tmp_path, life_s=10) as short,
        LangGraphProgram(short.url, STREAM, gate) as program,
    ):
        assert program.said() == [0]
        wait_until(lambda: "upstream_closed" in [line["reason"] for line in short.requests()], 30)
        gate.touch()
        assert [program.said() for _ in range(4)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3], "end"]
