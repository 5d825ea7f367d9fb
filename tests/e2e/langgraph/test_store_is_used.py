"""The store, whose DELETE and PUT have bodies."""

from __future__ import annotations

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.scripted_upstream import wait_until

pytestmark = pytest.mark.program("langgraph")

STORE = """
async def work(client):
    notes = ["team", "notes"]
    await client.store.put_item(notes, key="a/b ?", value={"text": "grüße"})
    await client.store.put_item(notes, key="long", value={"text": "x" * 300_000})
    kept = await client.store.get_item(notes, key="a/b ?")
    long = await client.store.get_item(notes, key="long")
    spaces = await client.store.list_namespaces(prefix=["team"])
    await client.store.delete_item(notes, key="long")
    found = await client.store.search_items(notes)
    left = [item["key"] for item in found["items"]]
    await client.store.delete_item(notes, key="a/b ?")
    none = (await client.store.search_items(notes))["items"]
    say([kept["value"], len(long["value"]["text"]), spaces["namespaces"], left, none])
"""


def test_items_are_put_found_and_deleted(langgraph: LangGraph) -> None:
    kept, length, spaces, left, none = langgraph.result(STORE)
    assert kept == {"text": "grüße"}
    assert length == 300_000
    assert spaces == [["team", "notes"]]
    assert (left, none) == (["a/b ?"], [])
    wait_until(lambda: _deletions(langgraph) == [204, 204])


def _deletions(langgraph: LangGraph) -> list[int]:
    asked = [line for line in langgraph.requests() if line["path"] == "/store/items"]
    return [line["status"] for line in asked if line["method"] == "DELETE"]
