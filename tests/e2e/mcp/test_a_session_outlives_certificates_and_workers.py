"""A session of the official server goes on, with the stream that it keeps open, while certificates
are renewed and the workers of both gateways are replaced under it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp import Client

from tests.fakes.mcp_everything import everything
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.two_gateways import TwoGateways, two_gateways

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.timeout(120),
]


def worker_pids(both: TwoGateways) -> set[int]:
    return {
        worker["pid"] for gateway in (both.near, both.far) for worker in gateway.status()["workers"]
    }


def replace_workers(both: TwoGateways) -> None:
    before = worker_pids(both)
    for gateway in (both.near, both.far):
        done = gateway.command("reload", "--workers")
        assert done.returncode == 0, done.stderr
    wait_until(lambda: not before & worker_pids(both), 30)


async def call_until(client: Client, ended: asyncio.Task[None]) -> int:
    calls = 0
    while not ended.done():
        result = await client.call_tool("echo", {"message": f"call {calls}"})
        assert f"Echo: call {calls}" in str(result.content)
        calls += 1
        await asyncio.sleep(0.02)
    await ended
    return calls


async def test_all_calls_are_of_one_session(tmp_path: Path) -> None:
    with (
        everything("streamableHttp") as port,
        two_gateways(tmp_path, port, protocol="http", life_s=10) as both,
    ):

        def disturb() -> None:
            wait_until(lambda: both.renewals >= 1, 60)
            replace_workers(both)
            wait_until(lambda: both.renewals >= 2, 60)

        async with Client(f"http://{both.address}/mcp", mode="legacy") as client:
            assert client.protocol_version == "2025-11-25"
            calls = await call_until(client, asyncio.create_task(asyncio.to_thread(disturb)))
        assert calls > 50
        lines = [line for line in both.near.log() if line.get("event") == "request"]
        assert [line["mcp_method"] for line in lines].count("initialize") == 1
        assert max(line["status"] for line in lines) < 300
