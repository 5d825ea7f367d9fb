"""A redirect to where the server believes that it is leads to where its caller found it."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path

import pytest
from mcp import Client

from tests.e2e.langgraph.conftest import LangGraph, langgraph_behind
from tests.fakes.gateway_process import DEADLINE_S

pytestmark = pytest.mark.program("langgraph")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_address_is_the_one_that_the_caller_used(langgraph: LangGraph, host: str) -> None:
    port = langgraph.address.rpartition(":")[2]
    assert _redirected(langgraph.address, f"{host}:{port}") == f"http://{host}:{port}/mcp"


def test_also_of_a_server_that_does_not_know_of_the_tls_before_it(
    langgraph: LangGraph, tmp_path: Path
) -> None:
    """It redirects to http:// and the authority of its own TLS."""
    with langgraph_behind(langgraph.server, tmp_path, inbound_protocol="tcp") as behind_tls:
        address = behind_tls.address
        assert _redirected(address, address) == f"http://{address}/mcp"


def _redirected(address: str, host: str) -> str:
    with closing(http.client.HTTPConnection(address, timeout=DEADLINE_S)) as connection:
        connection.request("POST", "/mcp/", headers={"Host": host})
        with connection.getresponse() as reply:
            assert reply.status == 307
            return reply.headers["Location"]


def test_a_relative_address_stays_as_it_is(langgraph: LangGraph) -> None:
    body = json.dumps({"assistant_id": "agent", "input": {"steps": 1}})
    with closing(http.client.HTTPConnection(langgraph.address, timeout=DEADLINE_S)) as connection:
        connection.request("POST", "/runs/stream", body, {"Content-Type": "application/json"})
        with connection.getresponse() as reply:
            assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            run = reply.headers["Content-Location"]
            assert run.startswith("/runs/")
            assert reply.headers["Location"] == f"{run}/stream"
            assert reply.read().count(b"event: ") > 1


async def test_an_mcp_client_follows_it(langgraph: LangGraph) -> None:
    async with Client(f"{langgraph.url}/mcp/") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["agent"]
