"""Runs in the foreground and the background, and the threads that keep them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph

pytestmark = pytest.mark.program("langgraph")

WAIT = """
async def work(client):
    thread = await client.threads.create(metadata={"team": "payments"})
    of_thread = await client.runs.wait(thread["thread_id"], "agent", input={"steps": 3})
    of_none = await client.runs.wait(None, "agent", input={"steps": 2})
    say([of_thread["done"], of_none["done"], of_none["messages"][0]["content"]])
"""
BACKGROUND = """
async def work(client):
    thread_id = (await client.threads.create())["thread_id"]
    run_id = (await client.runs.create(thread_id, "agent", input={"steps": 2}))["run_id"]
    joined = await client.runs.join(thread_id, run_id)
    listed = [run["run_id"] for run in await client.runs.list(thread_id)]
    status = (await client.runs.get(thread_id, run_id))["status"]
    batch = await client.runs.create_batch(
        [{"assistant_id": "agent", "input": {"steps": 1}} for _ in range(2)]
    )
    await client.runs.delete(thread_id, run_id)
    left = await client.runs.list(thread_id)
    say([joined["done"], listed == [run_id], status, len(batch), left])
"""
CANCEL = """
async def work(client, gate):
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, "agent", input={"steps": 1, "gate": gate})
    await client.runs.cancel(thread_id, run["run_id"], wait=True)
    say((await client.runs.get(thread_id, run["run_id"]))["status"])
"""
THREADS = """
async def work(client):
    assistants = await client.assistants.search(graph_id="agent")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "agent", input={"steps": 2})
    await client.threads.update(thread_id, metadata={"team": "risk"})
    await client.threads.update_state(thread_id, {"done": [7]}, as_node="work")
    state = await client.threads.get_state(thread_id)
    history = await client.threads.get_history(thread_id)
    copy = await client.threads.copy(thread_id)
    found = await client.threads.search(metadata={"team": "risk"})
    await client.threads.delete(thread_id)
    try:
        await client.threads.get(thread_id)
        gone = 200
    except Exception as error:
        gone = error.response.status_code
    ids = [thread["thread_id"] for thread in found]
    say([len(assistants), state["values"]["done"], len(history) > 3, thread_id in ids,
         copy["thread_id"] != thread_id, gone])
"""


def test_a_run_is_waited_for(langgraph: LangGraph) -> None:
    assert langgraph.result(WAIT) == [[0, 1, 2], [0, 1], "all is done"]


def test_a_run_in_the_background_is_joined_listed_and_deleted(langgraph: LangGraph) -> None:
    assert langgraph.result(BACKGROUND) == [[0, 1], True, "success", 2, []]


def test_a_thread_keeps_its_state_and_history(langgraph: LangGraph) -> None:
    assert langgraph.result(THREADS) == [1, [0, 1, 7], True, True, True, 404]


def test_a_run_is_cancelled(langgraph: LangGraph, tmp_path: Path) -> None:
    assert langgraph.result(CANCEL, tmp_path / "never") == "interrupted"
