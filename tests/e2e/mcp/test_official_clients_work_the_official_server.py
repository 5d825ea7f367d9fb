"""The official clients work server-everything, which knows nothing of TLS, over streamable HTTP and
over the transport of 2024-11-05: in plaintext on both ends, with mutual TLS between two gateways.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.sse import sse_client

from tests.fakes.mcp_everything import PATHS, everything, node
from tests.fakes.two_gateways import two_gateways

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.timeout(120),
]

# The first line of TypeScript's SDK, which speaks up to 2025-11-25.
TYPESCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const url = new URL(process.argv[2]);
const Transport = url.pathname === "/sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(new Transport(url));
const { tools } = await client.listTools();
const echo = await client.callTool({ name: "echo", arguments: { message: "grüß dich" } });
const steps = [];
await client.callTool(
  { name: "trigger-long-running-operation", arguments: { duration: 0.3, steps: 3 } },
  undefined,
  { onprogress: (progress) => steps.push(progress.progress) },
);
const { resources } = await client.listResources();
console.log(JSON.stringify({
  tools: tools.length, echo: echo.content[0].text, steps, resources: resources.length,
}));
await client.transport.terminateSession?.();
await client.close();
"""


@pytest.fixture(scope="module", params=PATHS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("gateways")
    with (
        everything(request.param) as port,
        two_gateways(folder, port, protocol="http", life_s=60) as both,
    ):
        yield f"http://{both.address}{PATHS[request.param]}"


def test_typescript(url: str, tmp_path: Path) -> None:
    said = node(tmp_path, "mcp-everything", TYPESCRIPT, url)
    assert said["tools"] > 5
    assert said["echo"] == "Echo: grüß dich"
    # The SDK forgets the last one when it reads it together with the answer.
    assert said["steps"][:2] == [1, 2]
    assert said["resources"] > 0


async def test_python(url: str) -> None:
    steps: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with Client(sse_client(url) if url.endswith("/sse") else url) as client:
        assert client.protocol_version == "2025-11-25"
        assert len((await client.list_tools()).tools) > 5
        echo = await client.call_tool("echo", {"message": "grüß dich"})
        assert "Echo: grüß dich" in str(echo.content)
        slow = {"duration": 0.3, "steps": 3}
        await client.call_tool("trigger-long-running-operation", slow, progress_callback=progress)
    assert steps[:2] == [1, 2]
