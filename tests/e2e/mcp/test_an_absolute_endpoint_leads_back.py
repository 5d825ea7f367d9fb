"""A server of the 2024-11-05 transport names itself by its whole URL: official clients work it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Message, Receive, Scope, Send

from gateway.demo.planner import add
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.mcp_everything import node

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.timeout(120),
]
PREFIX = b"event: endpoint\r\ndata: "

TYPESCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";

const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(new SSEClientTransport(new URL(process.argv[2])));
const sum = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
console.log(JSON.stringify(sum.content[0].text));
await client.close();
"""


class Absolute:
    """Python's server tells a path; this one tells the whole URL, as others do."""

    def __init__(self) -> None:
        server = MCPServer("adder")
        server.tool()(add)
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._application = server.sse_app(transport_security=security)
        self.told: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope.get("headers", [])).get(b"host", b"")

        async def telling(message: Message) -> None:
            body = message.get("body", b"")
            if body.startswith(PREFIX):
                message["body"] = PREFIX + b"https://" + host + body.removeprefix(PREFIX)
                self.told.append(message["body"])
            await send(message)

        await self._application(scope, receive, telling)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    server = Absolute()
    with (
        McpAgent(context, server) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.start()
        gateway.until_ready()
        yield f"http://{gateway.address()}/sse"
        assert server.told[0].startswith(PREFIX + b"https://localhost:%d/" % agent.port)


async def test_python(url: str) -> None:
    async with Client(sse_client(url), mode="legacy") as client:
        assert "5" in str((await client.call_tool("add", {"a": 2, "b": 3})).content)


def test_typescript(url: str, tmp_path: Path) -> None:
    assert node(tmp_path, "mcp-everything", TYPESCRIPT, url) == "5"
