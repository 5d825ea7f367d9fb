"""Whoever joins a resumable run says by Last-Event-ID from where on, and gets all of it."""

from __future__ import annotations

import pytest

from tests.e2e.langgraph.conftest import LangGraph

pytestmark = pytest.mark.program("langgraph")

JOIN = """
async def work(client):
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(
        thread_id, "agent", input={"steps": 5}, stream_mode="custom", stream_resumable=True
    )

    async def events(since):
        parts = client.runs.join_stream(thread_id, run["run_id"], last_event_id=since)
        return [(part.id, part.data) async for part in parts if part.event == "custom"]

    live, again = await asyncio.gather(events("-1"), events("-1"))
    say([live, again, await events("-1"), await events(live[2][0])])
"""
THREAD = """
async def work(client):
    thread_id = (await client.threads.create())["thread_id"]

    async def events(since, count):
        seen = []
        parts = await client.threads.join_stream(thread_id, last_event_id=since)
        async for part in parts:
            if part.event == "custom":
                seen.append((part.id, part.data["step"]))
            if len(seen) == count:
                return seen

    for _ in range(2):
        run = await client.runs.create(
            thread_id, "agent", input={"steps": 2}, stream_mode="custom", stream_resumable=True
        )
        await client.runs.join(thread_id, run["run_id"])
    whole = await events("-", 4)
    say([whole, await events(whole[1][0], 2)])
"""


def test_from_the_beginning_and_from_the_middle(langgraph: LangGraph) -> None:
    live, again, later, rest = langgraph.result(JOIN)
    assert [data["step"] for _, data in live] == [0, 1, 2, 3, 4]
    assert live == again == later
    assert rest == live[3:]


def test_a_thread_is_followed_over_its_runs(langgraph: LangGraph) -> None:
    whole, rest = langgraph.result(THREAD)
    assert [step for _, step in whole] == [0, 1, 0, 1]
    assert rest == whole[2:]
