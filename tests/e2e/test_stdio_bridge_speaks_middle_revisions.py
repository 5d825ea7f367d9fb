"""Clients of the revisions between the first and the last with sessions, by hand: the official ones
ask for the newest that they know.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent

MESSAGES: list[dict[str, Any]] = [
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
    {"id": 3, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 2, "b": 3}}},
]


def answers(gateway: GatewayProcess, revision: str) -> dict[int, Any]:
    """By id what the remote server answers a client of this revision."""
    hello = {"protocolVersion": revision, "capabilities": {}}
    hello["clientInfo"] = {"name": "by hand", "version": "1"}
    command = [sys.executable, "-m", "gateway", "stdio", "planner", "--config", str(gateway.config)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as bridge:
        assert bridge.stdin is not None
        assert bridge.stdout is not None
        found: dict[int, Any] = {}
        for message in ({"id": 1, "method": "initialize", "params": hello}, *MESSAGES):
            bridge.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            bridge.stdin.flush()
            if "id" in message:
                answer = json.loads(bridge.stdout.readline())
                found[answer["id"]] = answer["result"]
        bridge.stdin.close()
        assert bridge.wait(DEADLINE_S) == 0
    return found


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18"])
def test_the_revision_is_kept_and_its_tools_work(tmp_path: Path, revision: str) -> None:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.start()
        gateway.until_ready()
        found = answers(gateway, revision)
    assert found[1]["protocolVersion"] == revision
    assert [tool["name"] for tool in found[2]["tools"]] == ["add", "count"]
    assert "5" in json.dumps(found[3]["content"])
