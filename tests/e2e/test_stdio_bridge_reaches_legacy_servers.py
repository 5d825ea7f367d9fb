"""The official clients work the official test server by `devwiz-gw stdio`, over streamable HTTP and
over the transport of 2024-11-05.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.mcp_everything import PATHS, everything
from tests.fakes.two_gateways import TwoGateways, two_gateways

SCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [command, ...args] = process.argv.slice(2);
const transport = new StdioClientTransport({ command, args, env: process.env });
const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(transport);
const { tools } = await client.listTools();
const echo = await client.callTool({ name: "echo", arguments: { message: "grüß dich" } });
const steps = [];
await client.callTool(
  { name: "trigger-long-running-operation", arguments: { duration: 0.3, steps: 3 } },
  undefined,
  { onprogress: (progress) => steps.push(progress.progress) },
);
console.log(JSON.stringify({ tools: tools.length, echo: echo.content[0].text, steps }));
await client.close();
"""


pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.timeout(120),
]
TRANSPORTS = pytest.mark.parametrize(("transport", "path"), PATHS.items())


@TRANSPORTS
def test_tools_and_progress(transport: str, path: str, tmp_path: Path) -> None:
    node, packages = require_program("node"), require_program("mcp-everything")
    script = tmp_path / "client.mjs"
    script.write_text(SCRIPT)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    with (
        everything(transport) as port,
        two_gateways(tmp_path, port, protocol="http", life_s=60) as both,
    ):
        bridge = [sys.executable, "-m", "gateway", "stdio", "outbound", "--path", path]
        done = subprocess.run(
            [str(node), str(script), *bridge, "--config", str(both.near.config)],
            env=os.environ | both.near.env,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["tools"] > 5
    assert said["echo"] == "Echo: grüß dich"
    # The SDK forgets the last one when it reads it together with the answer.
    assert said["steps"][:2] == [1, 2]


@TRANSPORTS
def test_a_client_of_both_eras_falls_back(transport: str, path: str, tmp_path: Path) -> None:
    async def work(both: TwoGateways) -> tuple[str, str]:
        words = ["-m", "gateway", "stdio", "outbound", "--path", path]
        command = StdioServerParameters(
            command=sys.executable,
            args=[*words, "--config", str(both.near.config)],
            env=both.near.env,
        )
        async with Client(stdio_client(command), mode="auto") as client:
            result = await client.call_tool("echo", {"message": "hello"})
            return client.protocol_version, str(result.content)

    with (
        everything(transport) as port,
        two_gateways(tmp_path, port, protocol="http", life_s=60) as both,
    ):
        version, said = asyncio.run(asyncio.wait_for(work(both), 2 * DEADLINE_S))
    assert version == "2025-11-25"
    assert "Echo: hello" in said
