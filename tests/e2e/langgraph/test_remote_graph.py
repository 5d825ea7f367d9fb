"""A graph elsewhere is used as if it were here: `RemoteGraph`, also as a node of a local graph."""

from __future__ import annotations

import pytest

from tests.e2e.langgraph.conftest import LangGraph

pytestmark = pytest.mark.program("langgraph")

REMOTE = """
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph


async def work(client):
    remote = RemoteGraph("agent", url=sys.argv[1])
    thread = {"configurable": {"thread_id": (await client.threads.create())["thread_id"]}}
    invoked = await asyncio.to_thread(remote.invoke, {"steps": 2}, thread)
    streamed = [part async for part in remote.astream({"steps": 1}, thread, stream_mode="custom")]
    state = await remote.aget_state(thread)
    nodes = sorted((await remote.aget_graph()).nodes)

    class State(MessagesState):
        steps: int

    local = StateGraph(State).add_node("far", remote).add_edge(START, "far").compile()
    nested = await local.ainvoke({"steps": 1})
    say([invoked["done"], streamed, state.values["done"], nodes, nested["messages"][0].content])
"""


def test_it_is_invoked_streamed_and_looked_at(langgraph: LangGraph) -> None:
    done, streamed, state, nodes, said = langgraph.result(REMOTE)
    assert done == [0, 1]
    assert streamed == [{"step": 0}]
    assert state == [0, 1, 0]
    assert nodes == ["__end__", "__start__", "speak", "work"]
    assert said == "all is done"
