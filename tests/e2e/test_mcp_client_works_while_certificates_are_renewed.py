"""The main job: the official MCP client works a real MCP server through the gateway, in both
generations of the protocol, while certificates are renewed under it.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from tests.fakes.authority import Authority, server_context
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.mcp_work import Work
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway, IssuerProcess


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
