"""A redirect to where the server believes that it is leads to where its caller found it."""

from __future__ import annotations

import http.client
import json

import pytest
from mcp import Client

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.gateway_process import DEADLINE_S

pytestmark = pytest.mark.program("langgraph")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_address_is_the_one_that_the_caller_used(langgraph: LangGraph, host: str) -> None:
    port = int(langgraph.address.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("POST", "/mcp/", headers={"Host": f"{host}:{port}"})
    with connection.getresponse() as reply:
        assert reply.status == 307
        assert reply.headers["Location"] == f"http://{host}:{port}/mcp"
    connection.close()


def test_a_relative_address_stays_as_it_is(langgraph: LangGraph) -> None:
    connection = http.client.HTTPConnection(langgraph.address, timeout=DEADLINE_S)
    body = json.dumps({"assistant_id": "agent", "input": {"steps": 1}})
    connection.request("POST", "/runs/stream", body, {"Content-Type": "application/json"})
    with connection.getresponse() as reply:
        assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        run = reply.headers["Content-Location"]
        assert run.startswith("/runs/")
        assert reply.headers["Location"] == f"{run}/stream"
        assert reply.read().count(b"event: ") > 1
    connection.close()


async def test_an_mcp_client_follows_it(langgraph: LangGraph) -> None:
    async with Client(f"{langgraph.url}/mcp/") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["agent"]
