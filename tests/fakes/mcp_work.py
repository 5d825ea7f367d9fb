"""What a client of the demonstration's MCP server does, with the official SDK."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from mcp import Client

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
