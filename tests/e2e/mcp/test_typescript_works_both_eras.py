"""The second line of TypeScript's SDK speaks 2026-07-28, and falls back or is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.mcp_everything import node

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-inspector"),
    pytest.mark.timeout(120),
]

TYPESCRIPT = """
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, ...modes] = process.argv.slice(2);
const said = {};
for (const mode of modes) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const { tools } = await client.listTools();
  const sum = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
  const steps = [];
  await client.callTool(
    { name: "count", arguments: { steps: 3, pause_s: 0.05 } },
    { onprogress: (progress) => steps.push(progress.progress) },
  );
  said[mode] = {
    version: client.getNegotiatedProtocolVersion(),
    tools: tools.map((tool) => tool.name), sum: sum.content[0].text, steps,
  };
  await client.close();
}
console.log(JSON.stringify(said));
"""


def test_both(tmp_path: Path) -> None:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.start()
        gateway.until_ready()
        said = node(
            tmp_path,
            "mcp-inspector",
            TYPESCRIPT,
            f"http://{gateway.address()}/mcp",
            "auto",
            "legacy",
        )
    assert said["auto"]["version"] == "2026-07-28"
    assert said["legacy"]["version"] == "2025-11-25"
    for era in said.values():
        assert era["tools"] == ["add", "count"]
        assert era["sum"] == "5"
        assert era["steps"][:2] == [1, 2]
