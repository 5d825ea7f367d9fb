"""LangGraph's own server for development, and programs with its SDK, in an environment of their own
(see tests/programs/langgraph): nothing of ours, and nothing of theirs here.

The server says nothing of its use to anybody, traces nothing and asks for no newer version. What
would reach out nevertheless is led to a port of this machine by the proxy variables, and seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sdk_program import PYTHON, SdkProgram, run_whole
from tests.fakes.stack import free_port

#: What the server asks its callers for as `x-api-key`.
KEY = "lsv2_pt_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
GRAPH = '''
import asyncio
from operator import add
from pathlib import Path
from typing import Annotated

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    steps: int
    gate: str
    done: Annotated[list[int], add]
    messages: Annotated[list, add_messages]


async def work(state: State) -> State:
    """Tells of each step; after the first it waits until there is a file, where one is named."""
    tell = get_stream_writer()
    for step in range(state["steps"]):
        tell({"step": step})
        await asyncio.sleep(0.005)  # events are named by the millisecond
        while step == 0 and state.get("gate") and not Path(state["gate"]).exists():
            await asyncio.sleep(0.02)
    return {"done": list(range(state["steps"]))}


async def speak(state: State) -> State:
    model = GenericFakeChatModel(messages=iter([AIMessage("all is done")]))
    return {"messages": [await model.ainvoke("how far are you?")]}


builder = StateGraph(State)
builder.add_node(work)
builder.add_node(speak)
builder.add_edge(START, "work")
builder.add_edge("work", "speak")
builder.add_edge("speak", END)
graph = builder.compile()
'''
AUTH = """
import os

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(headers: dict) -> dict:
    if headers.get(b"x-api-key", b"").decode() != os.environ["AGENT_KEY"]:
        raise Auth.exceptions.HTTPException(status_code=401, detail="this key opens nothing")
    return {"identity": "agent"}
"""
_SETTINGS = {
    "dependencies": ["."],
    "graphs": {"agent": "./graph.py:graph"},
    "auth": {"path": "./auth.py:auth"},
}
# It saves its state each second, in place of ten.
_SERVE = """
import langgraph_runtime_inmem._persistence as persistence
from langgraph_cli.cli import cli

persistence._flush_interval = 1
cli()
"""
_ENVIRONMENT = {
    "LANGSMITH_TRACING": "false",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "NO_PROXY": "localhost,127.0.0.1",
}
_PROGRAM = """
import asyncio
import json
import sys

from langgraph_sdk import get_client


def say(value):
    print(json.dumps(value), flush=True)

{work}

async def main():
    async with get_client(url=sys.argv[1], api_key=None) as client:
        await work(client, *sys.argv[2:])


asyncio.run(main())
"""


class LangGraphServer:
    """`langgraph dev` with a graph called `agent`; a context manager.

    Attributes:
        port: where it listens, on 127.0.0.1; the same when it is started again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "graph.py").write_text(GRAPH)
        (folder / "auth.py").write_text(AUTH)
        (folder / "langgraph.json").write_text(json.dumps(_SETTINGS))
        self._outside = socket.create_server(("127.0.0.1", 0))
        self._outside.setblocking(False)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._outside.close()

    def start(self) -> None:
        """Start it unless it runs, and return when it serves."""
        if self._process is not None:
            return
        host, port = self._outside.getsockname()
        proxy = f"http://{host}:{port}"
        own = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "AGENT_KEY": KEY}
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(*PYTHON, "-c", _SERVE, "dev", "--no-browser", "--no-reload"),
                    *("--allow-blocking", "--n-jobs-per-worker", "10"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                cwd=self._folder,
                env=environment() | own,
                stdout=log,
                stderr=log,
            )
        wait_until(self._serves, 30)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    @property
    def reached_out(self) -> bool:
        """Whether it tried to reach anything but this machine."""
        try:
            self._outside.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def save(self) -> None:
        """Wait until what it knows now is on the disk."""
        for _ in range(2):  # the first time may have begun before
            before = self._saved_at()
            wait_until(lambda: self._saved_at() > before, 30)  # noqa: B023 - called at once

    def _saved_at(self) -> int:
        try:
            return (self._folder / ".langgraph_api" / ".langgraph_ops.pckl").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ok") as reply:
            return bool(json.load(reply)["ok"])
        return False


class LangGraphProgram(SdkProgram):
    """A program with `langgraph-sdk` that runs: `work(client, *arguments)`, and `say(value)` in it.

    A context manager.
    """

    def __init__(self, url: str, work: str, *arguments: object) -> None:
        super().__init__(_PROGRAM.format(work=work), environment(), url, *arguments)


def result(url: str, work: str, *arguments: object) -> Any:
    """The first thing that such a program says."""
    with LangGraphProgram(url, work, *arguments) as program:
        return program.said()


def run_program(text: str) -> subprocess.CompletedProcess[str]:
    """A whole program in LangGraph's environment."""
    return run_whole(text, environment())


def environment() -> dict[str, str]:
    """The variables that LangGraph's programs run with: none by which they would find a key."""
    foreign = ("LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | _ENVIRONMENT | {"PYTHONPATH": str(require_program("langgraph"))}
