"""What MCP's conformance suite asks of a local server against DNS rebinding, asked of the gateway:
a page that was lured to the port gets nothing, and the agent behind hears nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from gateway.demo.planner import mcp_application
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent

INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "page", "version": "1"},
        },
    }
)
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}
PAGES = "https://ide.example"


class Rig:
    def __init__(self, gateway: GatewayProcess, heard: list[dict[bytes, bytes]]) -> None:
        self.gateway = gateway
        self.heard = heard
        self.port = gateway.address().rpartition(":")[2]

    def ask(self, **headers: str) -> int:
        named = {
            name.replace("_", "-"): text.format(port=self.port) for name, text in headers.items()
        }
        status, _ = self.gateway.request(
            "POST", "/mcp", body=INITIALIZE, headers=HEADERS | named, at=f"127.0.0.1:{self.port}"
        )
        return status


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    application = mcp_application()
    heard: list[dict[bytes, bytes]] = []

    async def hearing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            heard.append(dict(scope["headers"]))
        await application(scope, receive, send)

    folder = tmp_path_factory.mktemp("gateway")
    with (
        McpAgent(context, hearing) as agent,
        GatewayProcess(folder, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.configure(more=f'allowed_origins = ["{PAGES}"]\n')
        gateway.start()
        gateway.until_ready()
        yield Rig(gateway, heard)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"}, 421),
        ({"Host": "evil.example:{port}"}, 421),
        ({"Host": "localhost.evil.example:{port}"}, 421),
        ({"Host": "localhost"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "https://localhost:{port}"}, 403),
        ({"Origin": "http://localhost.evil.example:{port}"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://localhost:{port}", "Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
def test_foreign_names_and_origins(rig: Rig, headers: dict[str, str], status: int) -> None:
    before = len(rig.heard)
    assert rig.ask(**headers) == status
    assert len(rig.heard) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "LocalHost:{port}", "Origin": "http://127.0.0.1:{port}"},
        {"Host": "[::1]:{port}", "Origin": "http://[::1]:{port}"},
        {"Origin": "http://localhost:{port}", "Sec_Fetch_Site": "same-origin"},
        # As browsers call a page of another site, whether it was allowed or not.
        {"Origin": PAGES, "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_own_names_and_allowed_pages(rig: Rig, headers: dict[str, str]) -> None:
    assert rig.ask(**headers) == 200
    # The agent is addressed by its own name, and doesn't have to know the caller's.
    assert rig.heard[-1][b"host"].startswith(b"localhost:")
    assert rig.heard[-1][b"host"] != f"localhost:{rig.port}".encode()
    assert b"origin" not in rig.heard[-1]
