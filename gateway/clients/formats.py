"""One form for each kind of client: text that can be pasted where that client is configured. Pure.

Source of the JSON shapes: the clients' own documentation of `mcp.json` and its relatives.
"""

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


def _python(access: Access) -> str:
    """The official MCP SDK, which takes headers by an HTTP client only."""
    url = _quoted(access.url)
    if not access.headers:
        return _PLAIN_PYTHON.replace("URL", url)
    headers = ", ".join(
        f"{_quoted(name)}: {_quoted(text)}" for name, text in access.headers.items()
    )
    return _PYTHON_WITH_HEADERS.replace("URL", url).replace("HEADERS", f"{{{headers}}}")


_PLAIN_PYTHON: Final = """\
import asyncio

from mcp import Client


async def main() -> None:
    async with Client(URL) as client:
        print((await client.list_tools()).tools)


asyncio.run(main())"""

_PYTHON_WITH_HEADERS: Final = """\
import asyncio

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def main() -> None:
    async with create_mcp_http_client(HEADERS) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            print((await client.list_tools()).tools)


asyncio.run(main())"""


def _quoted(text: str) -> str:
    """A string literal of JSON, and of Python just so."""
    return json.dumps(text)


def _servers(key: str) -> Callable[[Access], str]:
    """An entry for the files that list MCP servers under a key."""

    def text(access: Access) -> str:
        entry: dict[str, object] = {"type": "http", "url": access.url}
        if access.headers:
            entry["headers"] = access.headers
        return json.dumps({key: {access.route: entry}}, indent=2)

    return text


FORMATS: Final = {
    item.name: item
    for item in (
        ClientFormat(name="url", summary="the address, and the header if there is one", text=_url),
        ClientFormat(name="curl", summary="a command for a shell", text=_curl, over_socket=True),
        ClientFormat(
            name="python", summary="a program with the MCP SDK", text=_python, path="/mcp"
        ),
        ClientFormat(
            name="json",
            summary="mcpServers, as Claude Code (.mcp.json), Cursor and others have it",
            text=_servers("mcpServers"),
            path="/mcp",
        ),
        ClientFormat(
            name="vscode",
            summary="servers, as in VS Code's mcp.json",
            text=_servers("servers"),
            path="/mcp",
        ),
    )
}
