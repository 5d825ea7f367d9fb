"""A gateway whose container is stopped lets the streams through it end, within the grace time."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

_STREAM = """
import asyncio, os
from mcp import Client

async def progress(done, total, message):
    print(message, flush=True)

async def main():
    async with Client("http://127.0.0.1:8701/mcp") as client:
        await client.list_tools()  # or it asks for them after the call
        arguments = {"steps": 16, "pause_s": 0.5}
        answer = await client.call_tool("count", arguments, progress_callback=progress)
        print(answer.content[0].text, flush=True)
        os._exit(0)  # closing the session would need the gateway

asyncio.run(main())
"""


def test_streams_end_before_the_gateway_does(sidecar: Project) -> None:
    agent = sidecar.container("local-agent")
    with subprocess.Popen(
        ["docker", "exec", agent, "python3", "-c", _STREAM],
        env=sidecar.engine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as stream:
        assert stream.stdout is not None
        assert stream.stdout.readline() == "step 1 of 16\n"
        sidecar.run("stop", "gateway")
        said = stream.stdout.read().splitlines()
        assert stream.wait(30) == 0, "\n".join(sidecar.logs("gateway")[-30:])
    assert said == [*(f"step {step} of 16" for step in range(2, 17)), "counted to 16"]
    state = sidecar.inspect("gateway")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    sidecar.run("start", "gateway")
    sidecar.wait("the gateway again", lambda: sidecar.health("gateway") == "healthy")
