"""A scripted server of MCP over HTTP, and a bridge to it that is spoken to by lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.bridge.bridge import Bridge
from gateway.bridge.link import Link
from gateway.clients.access import Access

DEADLINE_S = 20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Stage:
    """What the client says and hears, and what the server was asked."""

    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, **message: Any) -> None:
        self.lines.put_nowait(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            return await self.heard.get()

    async def until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not check():
                await asyncio.sleep(0.01)

    def methods(self) -> list[str]:
        return [what for what, _, _ in self.asked]

    async def write(self, line: bytes) -> None:
        assert b"\n" not in line
        self.heard.put_nowait(json.loads(line))

    async def read(self) -> AsyncIterator[bytes | None]:
        while (line := await self.lines.get()) != b"EOF":
            yield line


@asynccontextmanager
async def stage(handler: Handler) -> AsyncIterator[Stage]:
    """A bridge to a server of this handler; at the end the client's input ends."""
    scene = Stage()

    async def noting(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        value = json.loads(body) if body else None
        name = value.get("method", "response") if value else ""
        headers = {key.lower(): text for key, text in request.headers.items()}
        scene.asked.append((f"{request.method} {name}".strip(), headers, value))
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", noting)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    access = Access(route="planner", url=f"http://127.0.0.1:{port}/mcp", token="t")

    async def found() -> Access:
        return access

    try:
        async with Link(access, found) as link:
            work = asyncio.create_task(Bridge(link, scene.write).run(scene.read()))
            try:
                yield scene
            finally:
                scene.lines.put_nowait(b"EOF")
                async with asyncio.timeout(DEADLINE_S):
                    await work
    finally:
        await runner.cleanup()


async def events(
    request: web.Request, *texts: str, cut: bool = False, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """A stream of these events, whole or cut off."""
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
    await reply.prepare(request)
    for text in texts:
        await reply.write(text.encode())
    if cut and request.transport is not None:
        request.transport.abort()
    return reply


def answer(request_id: Any, result: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": result or {}}


def event(message: Any, name: str = "") -> str:
    return (f"id: {name}\n" if name else "") + f"data: {json.dumps(message)}\n\n"
