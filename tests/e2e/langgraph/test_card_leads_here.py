"""LangGraph makes a card of A2A for each assistant, which names its own address in both shapes."""

from __future__ import annotations

import json

import pytest

from tests.e2e.langgraph.conftest import LangGraph

FIND = """
async def work(client):
    say((await client.assistants.search())[0]["assistant_id"])
"""


@pytest.mark.program("langgraph")
def test_to_where_its_reader_came_from(langgraph: LangGraph) -> None:
    assistant = langgraph.result(FIND)
    path = f"/.well-known/agent-card.json?assistant_id={assistant}"
    status, body = langgraph.gateways.near.request("GET", path)
    assert status == 200, body
    card = json.loads(body)
    url = f"{langgraph.url}/a2a/{assistant}"
    assert card["url"] == url
    assert {item["url"] for item in card["supportedInterfaces"]} == {url}
