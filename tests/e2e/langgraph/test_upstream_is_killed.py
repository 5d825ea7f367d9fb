"""A server that dies in the middle of a run: the client comes back for the rest, and a run that was
cut short never looks complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import LangGraphProgram
from tests.fakes.scripted_upstream import wait_until

pytestmark = [pytest.mark.program("langgraph"), pytest.mark.timeout(120)]

# The SDK tries five times, and waits between by chance.
ATTEMPTS = """
from langgraph_sdk._async import http
http._reconnect_delay = lambda attempt, *, base, cap: {} if attempt else 1.0
"""
STREAM = """
async def work(client, gate):
    thread_id = (await client.threads.create())["thread_id"]
    say(thread_id)
    try:
        async for part in client.runs.stream(
            thread_id, "agent", input={"steps": 2, "gate": gate}, stream_mode="custom",
            stream_resumable=True,
        ):
            if part.event == "custom":
                say(part.data["step"])
    except Exception as error:
        say(type(error).__name__)
    else:
        say("end")
"""
WAIT = """
async def work(client, gate):
    thread_id = (await client.threads.create())["thread_id"]
    say(thread_id)
    try:
        say((await client.runs.wait(thread_id, "agent", input={"steps": 2, "gate": gate}))["done"])
    except Exception as error:
        say(type(error).__name__)
"""


STATUSES = """
async def work(client, *threads):
    say([(await client.threads.get(thread))["status"] for thread in threads])
"""


@pytest.fixture
def before(langgraph: LangGraph) -> Iterator[int]:
    """How many requests there were before the test; after it the server is there again."""
    yield len(langgraph.requests())
    langgraph.server.start()


def test_a_client_gets_the_rest_from_the_server_s_successor(
    langgraph: LangGraph, before: int, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with (
        LangGraphProgram(langgraph.url, ATTEMPTS.format(5) + STREAM, gate) as streaming,
        LangGraphProgram(langgraph.url, ATTEMPTS.format(5) + WAIT, gate) as waiting,
    ):
        threads = [streaming.said(), waiting.said()]
        assert streaming.said() == 0
        wait_until(lambda: langgraph.result(STATUSES, *threads) == ["busy", "busy"], 20)
        langgraph.server.save()
        langgraph.server.kill()
        wait_until(lambda: {"stream", "join"} <= set(_asked_again(langgraph, before)), 20)
        gate.touch()
        langgraph.server.start()
        # It begins runs again that were cut off.
        steps = list(iter(streaming.said, "end"))
        assert steps[-1] == 1
        assert waiting.said() == [0, 1]


def test_a_client_gives_up_with_an_error(langgraph: LangGraph, before: int, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with (
        LangGraphProgram(langgraph.url, ATTEMPTS.format(0.2) + STREAM, gate) as streaming,
        LangGraphProgram(langgraph.url, ATTEMPTS.format(0.2) + WAIT, gate) as waiting,
    ):
        threads = [streaming.said(), waiting.said()]
        assert streaming.said() == 0
        wait_until(lambda: langgraph.result(STATUSES, *threads) == ["busy", "busy"], 20)
        langgraph.server.kill()
        assert streaming.said() == "TransportError"
        assert waiting.said() == "HTTPStatusError"
    gate.touch()
    wait_until(lambda: len(_asked_again(langgraph, before)) >= 10)


def _asked_again(langgraph: LangGraph, before: int) -> list[str]:
    """What clients asked for, in vain, by the address that the server gave them."""
    return [
        line["path"].rpartition("/")[2]
        for line in langgraph.requests()[before:]
        if line["method"] == "GET" and line["status"] == 502
    ]
