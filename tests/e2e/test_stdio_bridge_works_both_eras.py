"""The official MCP client works a remote server by `devwiz-gw stdio`, in either era, through the
gateway that runs or one that the command starts.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent

TOKEN = "dwgw_0123456789abcdef"
GUARDED = """
[[routes.allow]]
token = "ide"
[secrets]
store = "folder"
folder = "secrets"
"""
DEADLINE_S = 30


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        yield gateway


def command(gateway: GatewayProcess, *more: str) -> StdioServerParameters:
    words = ["-m", "gateway", "stdio", "planner", "--config", str(gateway.config), *more]
    return StdioServerParameters(command=sys.executable, args=words, env=gateway.env)


@asynccontextmanager
async def client(gateway: GatewayProcess, mode: str) -> Any:
    async with Client(stdio_client(command(gateway)), mode=mode) as working:
        yield working


async def work(gateway: GatewayProcess, mode: str) -> str:
    steps: list[float] = []

    async def progress(step: float, total: float | None, message: str | None) -> None:
        steps.append(step)

    async with client(gateway, mode) as working:
        listed = await working.list_tools()
        assert [tool.name for tool in listed.tools] == ["add", "count"]
        added = await working.call_tool("add", {"a": 2, "b": 3})
        assert "5" in str(added.content)
        await working.call_tool("count", {"steps": 3, "pause_s": 0.05}, progress_callback=progress)
        assert steps == [1, 2, 3]
        version: str = working.protocol_version
        return version


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize("guarded", [False, True], ids=["open", "guarded"])
def test_through_the_gateway_that_runs(
    gateway: GatewayProcess, mode: str, version: str, guarded: bool
) -> None:
    (gateway.folder / "secrets").mkdir(mode=0o700)
    (gateway.folder / "secrets" / "local-token.ide").touch(0o600)
    (gateway.folder / "secrets" / "local-token.ide").write_text(TOKEN)
    gateway.configure(more=GUARDED if guarded else "")
    gateway.start()
    gateway.until_ready()
    assert asyncio.run(asyncio.wait_for(work(gateway, mode), DEADLINE_S)) == version


def test_with_a_gateway_of_its_own(gateway: GatewayProcess) -> None:
    assert asyncio.run(asyncio.wait_for(work(gateway, "auto"), DEADLINE_S)) == "2026-07-28"
    assert not (gateway.folder / "admin.sock").exists()
