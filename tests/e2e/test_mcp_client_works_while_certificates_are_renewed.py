"""The main job: the official MCP client works a real MCP server through the gateway, in both
generations of the protocol, while certificates are renewed under it.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mcp import Client

from tests.fakes.authority import Authority, server_context
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway, IssuerProcess

STEPS = 8


@dataclass(slots=True)
class Work:
    """What one client does until it is told to end; any failure is raised."""

    ending: bool = False
    calls: int = 0
    streams: int = 0
    steps: list[float] = field(default_factory=list)

    async def run(self, url: str, mode: str) -> str:
        """Work with one session; the protocol's version."""
        async with Client(url, mode=mode) as client:
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == ["add", "count"]
            async with asyncio.TaskGroup() as group:
                group.create_task(self._call(client))
                group.create_task(self._stream(client))
            return client.protocol_version

    async def _call(self, client: Client) -> None:
        while not self.ending:
            result = await client.call_tool("add", {"a": self.calls, "b": 1})
            self.calls += 1
            assert str(self.calls) in str(result.content)
            await asyncio.sleep(0.02)

    async def _stream(self, client: Client) -> None:
        while not self.ending:
            self.steps.clear()
            await client.call_tool(
                "count", {"steps": STEPS, "pause_s": 0.1}, progress_callback=self._on_progress
            )
            assert self.steps == list(range(1, STEPS + 1))
            self.streams += 1

    async def _on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (STEPS, f"step {progress:.0f} of {STEPS}")
        self.steps.append(progress)


async def test_both_generations(tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        issuer = cleanup.enter_context(IssuerProcess(tmp_path / "issuer", life_s=10))
        issuer.start()
        authority = Authority()
        context = server_context(authority.issue("localhost"), issuer)
        agent = cleanup.enter_context(McpAgent(context))
        folder = tmp_path / "gateway"
        folder.mkdir(mode=0o700)
        gateway = cleanup.enter_context(
            Gateway(folder, issuer, agent_port=agent.port, agent_bundle=authority.pem)
        )
        gateway.start()
        address = (await asyncio.to_thread(gateway.until_ready))["routes"][0]["listeners"][0]
        works = {"auto": Work(), "legacy": Work()}
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work.run(f"http://{address}/mcp", mode))
                for mode, work in works.items()
            ]
            await asyncio.to_thread(wait_until, lambda: len(set(agent.serials)) >= 3, 30)
            for work in works.values():
                work.ending = True
        modern, legacy = (task.result() for task in tasks)
        assert modern > "2026" > legacy
        for work in works.values():
            assert work.calls > 100
            assert work.streams > 3
