"""Agent-to-agent mutual TLS with no code in either agent: the official MCP client works a real MCP
server, both in plaintext, through two gateways that renew their certificates meanwhile.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.mcp_agent import LocalMcpAgent
from tests.fakes.mcp_work import Work
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.two_gateways import AGENT, CALLER, two_gateways


@pytest.mark.timeout(120)
async def test_no_call_and_no_stream_fails(tmp_path: Path) -> None:
    agent = LocalMcpAgent()
    with agent, two_gateways(tmp_path, agent.port, protocol="http") as both:
        url = f"http://{await asyncio.to_thread(lambda: both.address)}/mcp"
        works = {"auto": Work(), "legacy": Work()}
        async with asyncio.TaskGroup() as group:
            for mode, work in works.items():
                group.create_task(work.run(url, mode))
            await asyncio.to_thread(wait_until, lambda: both.renewals >= 3, 80)
            for work in works.values():
                work.ending = True
        for work in works.values():
            assert work.calls > 100
            assert work.streams > 3
        # The agent was told who calls, by each of the caller's certificates.
        assert len(agent.callers) >= 4
        for said in agent.callers:
            by, digest, uri = said.split(";")
            assert (by, uri) == (f"By={AGENT}", f"URI={CALLER}")
            assert digest.startswith("Hash=")
        for gateway in (both.near, both.far):
            lines = [line for line in gateway.log() if line.get("event") == "request"]
            assert max(line["status"] for line in lines) < 300
            # The legacy client's own stream, on which nothing comes, is as long as a certificate
            # at most; it opens another one.
            ended = [line for line in lines if line["reason"] not in {"", "client_closed"}]
            assert {line["method"] for line in ended} <= {"GET"}
