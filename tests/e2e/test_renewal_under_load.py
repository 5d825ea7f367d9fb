"""Certificates are renewed while requests, an event stream and a WebSocket run: nothing is lost."""

from __future__ import annotations

import asyncio
import itertools

import aiohttp

from tests.e2e.conftest import StartStack


class Traffic:
    """What local agents do, until it is told to end; any failure is raised by its task."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.ending = False
        self.calls = 0
        self.events = 0
        self.messages = 0
        self._session = session
        self._url = f"http://{address}"

    async def call(self) -> None:
        """Keep-alive requests, one after the other."""
        while not self.ending:
            body = f"call {self.calls}"
            async with self._session.post(f"{self._url}/echo", data=body) as reply:
                assert reply.status == 200, await reply.text()
                assert (await reply.json())["body"] == body
            self.calls += 1
            await asyncio.sleep(0.005)

    async def listen(self, count: int) -> None:
        """One event stream: every event comes, in its place, and then its end."""
        async with self._session.get(f"{self._url}/events?count={count}") as reply:
            numbers = itertools.count()
            async for line in reply.content:
                if line.startswith(b"data: "):
                    assert line == b"data: %d\n" % next(numbers)
                    self.events += 1
            assert next(numbers) == count

    async def listen_again_and_again(self) -> None:
        """Short event streams, one after the other."""
        while not self.ending:
            await self.listen(20)

    async def talk(self) -> None:
        """One WebSocket, a message at a time."""
        async with self._session.ws_connect(f"{self._url}/ws") as socket:
            while not self.ending:
                await socket.send_str(f"message {self.messages}")
                assert (await socket.receive_str(timeout=5)) == f"message {self.messages}"
                self.messages += 1
                await asyncio.sleep(0.01)


async def test_nothing_is_lost(start_stack: StartStack) -> None:
    stack = start_stack(life_s=300)
    gateway = stack.gateway
    gateway.start()
    address = (await asyncio.to_thread(gateway.until_ready))["routes"][0]["listeners"][0]
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        traffic = Traffic(session, address)
        for _ in range(3):
            group.create_task(traffic.call())
        # Longer than the renewals take, which come no sooner than 5 s after one another.
        group.create_task(traffic.listen(600))
        group.create_task(traffic.listen_again_and_again())
        group.create_task(traffic.talk())
        for generation in (2, 3):
            renewed = await asyncio.to_thread(gateway.command, "identity", "renew")
            assert renewed.returncode == 0, renewed.stderr
            assert f"generation {generation}" in renewed.stdout
            await asyncio.to_thread(stack.agent.until_serials, generation)
        body = gateway.status()
        traffic.ending = True
    assert stack.agent.serials[-1] == body["identity"]["serial"]
    connections = body["routes"][0]["connections"]
    assert connections["1"] == 2, "the long stream and the WebSocket stay, and nothing else"
    body = gateway.status()
    assert body["routes"][0]["failures"] == {}
    assert set(body["routes"][0]["requests"]) == {"101", "200"}
    assert min(traffic.calls, traffic.events, traffic.messages) > 100
