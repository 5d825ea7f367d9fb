"""The local agent: the official MCP client pointed at a plaintext localhost port.

`python -m gateway.demo.local_agent http://127.0.0.1:8701/mcp`. It knows nothing of certificates or
of the upstream's tokens. It lists the tools, keeps calling one, and keeps a slow streaming one
running beside. Round after round, each with a client of its own, so that one that fails is told and
the next one begins anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.clients.access import PROOF_HEADER

if TYPE_CHECKING:
    from mcp import Client

_STREAM_STEPS = 12
_STREAM_PAUSE_S = 0.4
# So that a gateway that isn't there yet is not asked in a loop.
_RETRY_S = 1.0


@dataclass(slots=True)
class Tally:
    """What the agent did and saw; `failures` holds what went wrong, in words."""

    tools: list[str] = field(default_factory=list)
    calls: int = 0
    streams: int = 0
    events: int = 0
    protocol: str = ""
    failures: list[str] = field(default_factory=list)


async def work(url: str, *, until: Callable[[], bool], tally: Tally, token: str = "") -> None:
    """Call tools until `until()` says so; failures are counted, not raised.

    `token` is what a route with `[[routes.allow]]` asks its local callers for.
    """
    from mcp import Client
    from mcp.client.streamable_http import (  # type: ignore[attr-defined] # not listed as exported
        create_mcp_http_client,
        streamable_http_client,
    )

    headers = {PROOF_HEADER: token} if token else None
    try:
        async with AsyncExitStack() as opened:
            http = await opened.enter_async_context(create_mcp_http_client(headers))
            transport = streamable_http_client(url, http_client=http)
            client = await opened.enter_async_context(Client(transport))
            tally.protocol = client.protocol_version
            listed = await client.list_tools()
            tally.tools = [tool.name for tool in listed.tools]
            async with asyncio.TaskGroup() as group:
                group.create_task(_keep_calling(client, until, tally))
                group.create_task(_keep_streaming(client, until, tally))
    except* Exception as errors:  # noqa: BLE001 - the tally is the report
        tally.failures.extend(f"{type(error).__name__}: {error}" for error in _single(errors))


def _single(error: BaseException) -> Iterator[BaseException]:
    """The errors themselves: the SDK's task groups put groups into groups."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _single(inner)


async def _keep_calling(client: Client, until: Callable[[], bool], tally: Tally) -> None:
    while not until():
        result = await client.call_tool("add", {"a": tally.calls, "b": 1})
        tally.calls += 1
        if str(tally.calls) not in str(result.content):
            tally.failures.append(f"add answered {result.content}")
        await asyncio.sleep(0.05)


async def _keep_streaming(client: Client, until: Callable[[], bool], tally: Tally) -> None:
    async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the callback's signature
        tally.events += 1

    while not until():
        before = tally.events
        await client.call_tool(
            "count",
            {"steps": _STREAM_STEPS, "pause_s": _STREAM_PAUSE_S},
            progress_callback=on_progress,
        )
        tally.streams += 1
        if tally.events - before != _STREAM_STEPS:
            tally.failures.append(f"{tally.events - before} of {_STREAM_STEPS} events arrived")


async def _run(arguments: argparse.Namespace) -> int:
    token = ""
    if arguments.token_file is not None:
        token = (await asyncio.to_thread(arguments.token_file.read_text)).strip()
    failed = False
    for done in count(1):
        tally = await _round(arguments.url, arguments.seconds, token)
        failed = failed or bool(tally.failures)
        if done == arguments.rounds:
            break
        if not tally.calls:
            await asyncio.sleep(_RETRY_S)
    return 1 if failed else 0


async def _round(url: str, seconds: float, token: str) -> Tally:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    tally = Tally()
    await work(url, until=lambda: loop.time() >= end, tally=tally, token=token)
    print(  # noqa: T201 - a program
        f"tools {', '.join(tally.tools)}; {tally.calls} calls, {tally.streams} streams with "
        f"{tally.events} events, {len(tally.failures)} failures",
        flush=True,
    )
    for failure in tally.failures:
        print(f"  {failure}", flush=True)  # noqa: T201 - a program
    return tally


def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="local_agent", description=__doc__)
    parser.add_argument("url", help="the MCP endpoint, such as http://127.0.0.1:8701/mcp")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a round takes")
    parser.add_argument(
        "--rounds", type=int, default=1, help="how many rounds to work; 0: until stopped"
    )
    parser.add_argument(
        "--token-file", type=Path, help="file with the token that the route asks local callers for"
    )
    arguments = parser.parse_args(argv)
    return asyncio.run(_run(arguments))


if __name__ == "__main__":
    sys.exit(main())
