"""What `client install` writes into a client's file is enough to reach the remote server: each
entry is read as that client does, and the official MCP client works with it.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client, StdioServerParameters, stdio_client

from gateway.clients.catalogue import CLIENTS
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import McpAgent

READERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
FILES = {name: client for name, client in CLIENTS.items() if client.user}
#: By command only those whose entries differ.
WAYS = [(name, "http") for name, client in FILES.items() if client.http] + [
    (name, "stdio") for name in ("claude-desktop", "zed", "codex", "opencode", "goose")
]
DEADLINE_S = 30


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(folder, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.env |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        gateway.start()
        gateway.until_ready()
        yield gateway
        gateway.command("drain", "--wait")


async def tools(entry: Mapping[str, Any], env: dict[str, str]) -> list[str]:
    """Those that a client with this entry finds."""
    words = entry.get("command") or entry.get("cmd")
    if words is not None:
        first, *more = [words, *entry.get("args", [])] if isinstance(words, str) else words
        command = StdioServerParameters(command=first, args=more, env=env)
        async with Client(stdio_client(command)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]
    (url,) = (entry[key] for key in ("url", "uri", "serverUrl", "httpUrl") if key in entry)
    async with Client(url) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize(("name", "via"), WAYS)
def test_the_remote_server_is_reached(
    gateway: GatewayProcess, tmp_path: Path, name: str, via: str
) -> None:
    client, file = CLIENTS[name], tmp_path / "settings"
    where = ("planner", "--client", name, "--file", str(file))
    done = gateway.command("client", "install", *where, "--via", via)
    assert done.returncode == 0, done.stderr
    entry = READERS[client.format](file.read_text())[client.container]["planner"]
    found = asyncio.run(asyncio.wait_for(tools(entry, gateway.env), DEADLINE_S))
    assert found == ["add", "count"]
    assert gateway.command("client", "remove", *where).returncode == 0
    assert not file.exists()
