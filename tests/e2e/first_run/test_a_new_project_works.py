"""The README's quick start: an identity from the issuer, `init`, `serve`, and the official MCP
client works the remote server with what was written.
"""

from __future__ import annotations

import asyncio
import json

from mcp import Client

from tests.e2e.first_run.conftest import PLANNER, Machine

DEADLINE_S = 30


async def tools(url: str) -> list[str]:
    async with asyncio.timeout(DEADLINE_S), Client(url) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


def test_from_an_empty_folder_to_a_tool(machine: Machine) -> None:
    (machine.project / "identity.toml").write_text(machine.join_token())
    (machine.project / ".cursor").mkdir()
    done = machine.run(
        *("init", "--identity-from", "identity.toml", "--upstream", machine.agent_url),
        *("--route", "planner", "--peer", PLANNER, "--client", "cursor", "--join", "--json"),
    )
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    findings = document["doctor"]["findings"]
    spoken = {item["result"] for item in findings if item["rung"] == "protocol"}
    assert (document["doctor"]["ok"], spoken) == (True, {"pass"})
    assert machine.run("config", "check").returncode == 0
    entry = json.loads((machine.project / ".cursor/mcp.json").read_text())["mcpServers"]["planner"]
    with machine.gateway() as gateway:
        gateway.start()
        assert machine.run("wait", "--timeout", "30").returncode == 0
        assert entry["url"] == f"http://{document['listen'][0]}/mcp"
        assert asyncio.run(tools(entry["url"])) == ["add", "count"]

        more = ("--upstream", machine.agent_url, "--trust-on-first-use", "--route", "second")
        done = machine.run("init", "--add", *more, "--no-doctor", "--json")
        second = json.loads(done.stdout)
        assert done.returncode == 0, done.stderr
        assert "Nobody has checked it" in done.stderr
        assert f'peer = ["{PLANNER}"]' in gateway.config.read_text().partition('"second"')[2]
        assert machine.run("reload").returncode == 0
        assert asyncio.run(tools(f"http://{second['listen'][0]}/mcp")) == ["add", "count"]
        assert machine.run("drain", "--wait").returncode == 0
