"""A client that can get a token by OAuth opens no browser for a route that has the credentials; on
a route that passes them it gets a token where the metadata are mapped, and none where they are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from gateway.demo.planner import mcp_application
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.mcp_agent import AnyAgent, McpAgent
from tests.fakes.oauth import METADATA, TOKEN, AuthorizationServer, GuardedServer

DEADLINE_S = 30
SECRETS = """
[secrets]
store = "folder"
folder = "secrets"
"""


@dataclass
class Remote:
    login: AuthorizationServer
    server: GuardedServer
    gateway: GatewayProcess
    visited: list[str] = field(default_factory=list)

    def start(self, more: str) -> str:
        self.gateway.configure(more=more)
        self.gateway.start()
        self.gateway.until_ready()
        return f"http://{self.gateway.address()}/mcp"

    async def add(self, url: str) -> str:
        """What the tool says to a client that would open a browser."""
        return await asyncio.wait_for(self._add(url), DEADLINE_S)

    async def _add(self, url: str) -> str:
        found: list[str] = []

        async def browse(address: str) -> None:
            self.visited.append(address)
            async with httpx2.AsyncClient() as browser:
                found.append((await browser.get(address)).headers["location"])

        async def callback() -> AuthorizationCodeResult:
            query = parse_qs(urlsplit(found[-1]).query)
            return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0])

        redirect = "http://127.0.0.1:1/callback"
        provider = OAuthClientProvider(
            url,
            OAuthClientMetadata.model_validate({"redirect_uris": [redirect], "client_name": "t"}),
            Kept(),
            redirect_handler=browse,
            callback_handler=callback,
        )
        async with (
            create_mcp_http_client(auth=provider) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
        ):
            return str((await client.call_tool("add", {"a": 2, "b": 3})).content)


class Kept:
    """In memory."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    login = AuthorizationServer()
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / "remote").touch(0o600)
    (tmp_path / "secrets" / "remote").write_text(TOKEN)
    with AnyAgent(login.application) as logging_in:
        server = GuardedServer(mcp_application(), f"http://127.0.0.1:{logging_in.port}")
        with (
            McpAgent(context, server) as agent,
            GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
        ):
            yield Remote(login, server, gateway)


async def test_a_route_with_a_token_needs_none_of_the_client(remote: Remote) -> None:
    headers = '[routes.headers]\nAuthorization = "Bearer {secret:remote}"\n'
    url = await asyncio.to_thread(remote.start, headers + SECRETS)
    assert "5" in await remote.add(url)
    assert (remote.visited, remote.server.asked, remote.login.resources) == ([], [], [])


async def test_a_route_without_one_sends_nobody_for_it(remote: Remote) -> None:
    url = await asyncio.to_thread(remote.start, "")
    with pytest.raises(BaseExceptionGroup):
        await remote.add(url)
    assert (remote.visited, remote.login.resources) == ([], [])
    # Neither does the upstream hear that somebody looks for its metadata.
    assert not [path for path in remote.server.asked if path.startswith("/.well-known")]
    status, body = await asyncio.to_thread(remote.gateway.request, "GET", f"{METADATA}/mcp")
    assert (status, b"no_oauth_metadata" in body) == (404, True)


@pytest.mark.parametrize("place", [f"{METADATA}/mcp", "/about/resource.json"])
async def test_a_client_gets_a_token_where_metadata_are_mapped(remote: Remote, place: str) -> None:
    remote.server.place = place
    more = 'auth = "passthrough"\nrewrite_metadata = true\n'
    url = await asyncio.to_thread(remote.start, more)
    assert "5" in await remote.add(url)
    assert len(remote.visited) == 1
    assert remote.login.resources == [url]


async def test_and_finds_the_way_around_the_gateway_closed_where_they_are_not(
    remote: Remote,
) -> None:
    url = await asyncio.to_thread(remote.start, 'auth = "passthrough"\n')
    with pytest.raises(BaseExceptionGroup):
        await remote.add(url)
    assert (remote.visited, remote.login.resources) == ([], [])


async def test_a_client_with_a_token_is_let_through(remote: Remote) -> None:
    url = await asyncio.to_thread(remote.start, 'auth = "passthrough"\n')
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        assert "5" in str((await client.call_tool("add", {"a": 2, "b": 3})).content)
    assert remote.gateway.status()["routes"][0]["auth"] == "passthrough"
