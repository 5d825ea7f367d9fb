"""The demonstration's local agent, against its own remote agent without TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from gateway.demo.local_agent import Tally, work
from gateway.demo.planner import mcp_application

pytestmark = pytest.mark.may_block("the MCP SDK imports and reads as it goes")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(mcp_application(), log_config=None, timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        server.should_exit = True
        await serving


async def test_errors_are_told_themselves_and_not_as_groups(url: str) -> None:
    """Its own task group stands in those of the SDK."""

    def broken() -> bool:
        raise LookupError("it broke")

    tally = Tally()
    await work(url, until=broken, tally=tally)
    assert set(tally.failures) == {"LookupError: it broke"}


async def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    tally = Tally()
    await work(f"http://127.0.0.1:{port}/mcp", until=lambda: True, tally=tally)
    assert tally.failures
