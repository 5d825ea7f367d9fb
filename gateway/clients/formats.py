"""Forms for whoever isn't a client known by name: an address, a command, a program. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.clients.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFormat:
    """How one kind of client is told of a route.

    Attributes:
        path: what follows the address unless something else is asked for.
        over_socket: whether the client can use a Unix socket.
    """

    name: str
    summary: str
    text: Callable[[Access], str]
    path: str = "/"
    over_socket: bool = False


def _url(access: Access) -> str:
    return "\n".join([access.url, *(f"{name}: {value}" for name, value in access.headers.items())])


def _curl(access: Access) -> str:
    """The token comes from standard input: every user can read a command line."""
    words = ["curl"]
    if access.socket:
        words += ["--unix-socket", access.socket]
    if not access.headers:
        return shlex.join([*words, access.url])
    lines = [f"{name}: {value}" for name, value in access.headers.items()]
    command = shlex.join([*words, "--header", "@-", access.url])
    return "\n".join([f"{command} <<'END'", *lines, "END"])


def _program(plain: str, with_headers: str) -> Callable[[Access], str]:
    """A program of one of two kinds, with its `ADDRESS` and `HEADERS` filled in."""

    def text(access: Access) -> str:
        headers = ", ".join(
            f"{_quoted(name)}: {_quoted(text)}" for name, text in access.headers.items()
        )
        program = with_headers if headers else plain
        return program.replace("HEADERS", f"{{{headers}}}").replace("ADDRESS", _quoted(access.url))

    return text


_MCP: Final = """\
import asyncio

from mcp import Client


async def main() -> None:
    async with Client(ADDRESS) as client:
        print((await client.list_tools()).tools)


asyncio.run(main())"""

# The official MCP SDK takes headers by an HTTP client only.
_MCP_WITH_HEADERS: Final = """\
import asyncio

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def main() -> None:
    async with create_mcp_http_client(HEADERS) as http:
        async with Client(streamable_http_client(ADDRESS, http_client=http)) as client:
            print((await client.list_tools()).tools)


asyncio.run(main())"""

# Without `api_key=None` it would send a key of the environment.
_LANGGRAPH: Final = """\
import asyncio

from langgraph_sdk import get_client


async def main() -> None:
    async with get_client(url=ADDRESS, api_key=None) as client:
        print(await client.assistants.search())


asyncio.run(main())"""
_LANGGRAPH_WITH_HEADERS: Final = _LANGGRAPH.replace("api_key=None", "api_key=None, headers=HEADERS")

_A2A: Final = """\
import asyncio

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory


async def main() -> None:
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, ADDRESS).get_agent_card()
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        print(client, card)


asyncio.run(main())"""
_A2A_WITH_HEADERS: Final = _A2A.replace("AsyncClient()", "AsyncClient(headers=HEADERS)")

_TYPESCRIPT: Final = """\
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const transport = new StreamableHTTPClientTransport(new URL(ADDRESS));
const client = new Client({ name: "example", version: "1.0.0" });
await client.connect(transport);
console.log((await client.listTools()).tools);
await client.close();"""
_TYPESCRIPT_WITH_HEADERS: Final = _TYPESCRIPT.replace(
    "(ADDRESS)", "(ADDRESS), {\n  requestInit: { headers: HEADERS },\n}"
)


def _quoted(text: str) -> str:
    """A string literal of JSON, and of Python just so."""
    return json.dumps(text)


def _servers(access: Access) -> str:
    """An entry for the files that list MCP servers, as most clients have it."""
    entry: dict[str, object] = {"type": "http", "url": access.url}
    if access.headers:
        entry["headers"] = access.headers
    return json.dumps({"mcpServers": {access.route: entry}}, indent=2)


FORMATS: Final = {
    item.name: item
    for item in (
        ClientFormat(name="url", summary="the address, and the header if there is one", text=_url),
        ClientFormat(name="curl", summary="a command for a shell", text=_curl, over_socket=True),
        ClientFormat(
            name="python",
            summary="a program with the MCP SDK",
            text=_program(_MCP, _MCP_WITH_HEADERS),
            path="/mcp",
        ),
        ClientFormat(
            name="langgraph",
            summary="a Python program with langgraph-sdk",
            text=_program(_LANGGRAPH, _LANGGRAPH_WITH_HEADERS),
            path="",
        ),
        ClientFormat(
            name="a2a",
            summary="a Python program with a2a-sdk",
            text=_program(_A2A, _A2A_WITH_HEADERS),
            path="",
        ),
        ClientFormat(
            name="typescript",
            summary="a program with the MCP SDK of npm",
            text=_program(_TYPESCRIPT, _TYPESCRIPT_WITH_HEADERS),
            path="/mcp",
        ),
        ClientFormat(
            name="json",
            summary="mcpServers, as many clients have it",
            text=_servers,
            path="/mcp",
        ),
    )
}
