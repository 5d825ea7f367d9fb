"""The server's key is the gateway's to bring; what a caller brings doesn't get there."""

from __future__ import annotations

import http.client

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.langgraph_server import KEY

pytestmark = pytest.mark.program("langgraph")

SEARCH = """
async def work(_, key):
    async with get_client(url=sys.argv[1], api_key=key) as client:
        say([item["graph_id"] for item in await client.assistants.search()])
"""


def test_without_it_the_server_answers_nobody(langgraph: LangGraph) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", langgraph.server.port, timeout=DEADLINE_S)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/assistants/search", b"{}", headers)
    with connection.getresponse() as reply:
        assert reply.status == 401
    connection.close()


@pytest.mark.parametrize("key", ["", "lsv2_pt_of-somebody-else"])
def test_a_client_needs_none(langgraph: LangGraph, key: str) -> None:
    assert langgraph.result(SEARCH, key) == ["agent"]


def test_it_stays_with_the_gateway(langgraph: LangGraph) -> None:
    assert langgraph.result(SEARCH, "") == ["agent"]
    for gateway in (langgraph.gateways.near, langgraph.gateways.far):
        assert KEY not in (gateway.folder / "gw.log").read_text()
