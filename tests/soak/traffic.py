"""What local agents do all day, each thing again and again, and each answer looked at."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from tests.fakes.agent_server import BLOCK
from tests.soak.result import Result

#: What an endless stream is counted as that its certificate's end has cut.
ENDLESS = "streams ended by their certificate"

_MOST_PROBLEMS = 20
_PIECE = 64 * 1024


class Traffic:
    """Agents in front of one worker. `long_s` is how long a stream, a WebSocket or a raw connection
    is used: less than a certificate lives, so that none of them may be cut.
    """

    def __init__(self, result: Result, *, http: int, raw: int, long_s: float) -> None:
        self._result = result
        self._base = f"http://127.0.0.1:{http}"
        self._raw = raw
        self._long_s = long_s
        self._ending = False

    async def run(self, ended: asyncio.Event) -> None:
        """All of it until told, then what is under way to its end."""
        agents = [
            *[self._calls] * 4,
            *[self._events] * 4,
            *[self._messages] * 2,
            *[self._uploads] * 2,
            *[self._downloads] * 2,
            *[self._raw_connections] * 2,
            *[self._endless_events] * 2,
        ]
        async with asyncio.TaskGroup() as group:
            for agent in agents:
                group.create_task(self._again_and_again(agent))
            await ended.wait()
            self._ending = True

    async def _again_and_again(
        self, agent: Callable[[aiohttp.ClientSession], Awaitable[None]]
    ) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            while not self._ending and len(self._result.problems) < _MOST_PROBLEMS:
                try:
                    await agent(session)
                except (aiohttp.ClientError, OSError, AssertionError, EOFError) as error:
                    what = agent.__name__.strip("_").replace("_", " ")
                    self._result.problems.append(f"{what}: {type(error).__name__}: {error}")
                    await asyncio.sleep(0.2)

    async def _calls(self, session: aiohttp.ClientSession) -> None:
        """Requests over one connection."""
        for _ in range(20):
            body = os.urandom(64).hex()
            async with session.post(f"{self._base}/echo", data=body) as reply:
                assert reply.status == 200, await reply.text()
                assert (await reply.json())["body"] == body
            self._result.count("requests")
            await asyncio.sleep(0.01)

    async def _events(self, session: aiohttp.ClientSession) -> None:
        """One event stream: each event, in its place, and then its end."""
        count = max(1, int(self._long_s / 0.05))
        numbers = itertools.count()
        async with session.get(f"{self._base}/events?count={count}&pause=0.05") as reply:
            assert reply.status == 200, await reply.text()
            async for line in reply.content:
                if line.startswith(b"data: "):
                    assert line == b"data: %d\n" % next(numbers)
                    self._result.count("events")
        assert next(numbers) == count, "the stream ended early"

    async def _endless_events(self, session: aiohttp.ClientSession) -> None:
        """One that its certificate's end must cut, and that must not look complete then."""
        async with session.get(f"{self._base}/events?count=1000000&pause=0.05") as reply:
            assert reply.status == 200, await reply.text()
            try:
                async for _ in reply.content:
                    if self._ending:
                        return
            except aiohttp.ClientPayloadError:
                self._result.count(ENDLESS)
                return
        raise AssertionError("a stream that was cut looked complete")

    async def _messages(self, session: aiohttp.ClientSession) -> None:
        """One WebSocket."""
        ends = time.monotonic() + self._long_s
        async with session.ws_connect(f"{self._base}/ws") as socket:
            for number in itertools.count():
                if time.monotonic() > ends:
                    return
                await socket.send_str(f"message {number}")
                assert await socket.receive_str(timeout=10) == f"message {number}"
                self._result.count("messages")
                await asyncio.sleep(0.02)

    async def _uploads(self, session: aiohttp.ClientSession) -> None:
        """A body whose length nobody says, in pieces."""
        data = os.urandom(_PIECE) * 16

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(data), _PIECE):
                yield data[at : at + _PIECE]
                await asyncio.sleep(0.01)

        async with session.post(f"{self._base}/digest", data=pieces()) as reply:
            assert reply.status == 200, await reply.text()
            assert await reply.text() == hashlib.sha256(data).hexdigest()
        self._result.count("MiB up")

    async def _downloads(self, session: aiohttp.ClientSession) -> None:
        """Large bodies."""
        blocks = 4
        hasher = hashlib.sha256()
        async with session.get(f"{self._base}/bytes?blocks={blocks}") as reply:
            assert reply.status == 200, await reply.text()
            async for piece in reply.content.iter_any():
                hasher.update(piece)
        assert hasher.digest() == hashlib.sha256(BLOCK * blocks).digest()
        self._result.count("MiB down", blocks)
        await asyncio.sleep(0.1)

    async def _raw_connections(self, _: aiohttp.ClientSession) -> None:
        """Bytes as they are: what the agent at the other end makes of them is HTTP."""
        ends = time.monotonic() + self._long_s
        reader, writer = await asyncio.open_connection("127.0.0.1", self._raw)
        try:
            while time.monotonic() < ends:
                body = os.urandom(32).hex().encode()
                head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                assert body in await reader.readexactly(length)
                self._result.count("raw exchanges")
                await asyncio.sleep(0.02)
        finally:
            writer.close()
