"""Two gateways under traffic while their issuer's authority is rotated by its commands."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.fakes.agent_server import AgentServer
from tests.fakes.gateway_process import COMMAND
from tests.fakes.two_gateways import TwoGateways, two_gateways

LIFE_S = 12
DEADLINE_S = 60.0
_PAUSE_S = 0.01
#: How often the gateways are asked how they are: each time costs them as much as several requests.
_LOOK_S = 0.1


class RotationStage:
    """The stage; `failures` collects what a caller saw go wrong.

    Attributes:
        calls: requests that were answered well.
    """

    def __init__(self, both: TwoGateways, session: aiohttp.ClientSession) -> None:
        self.calls = 0
        self.failures: list[str] = []
        self._both = both
        self._session = session
        self._url = f"http://{both.address}"

    async def rotate(self, *options: str) -> dict[str, Any]:
        """`issuer rotate-ca` in a process of its own."""
        return await asyncio.to_thread(self._rotate, *options)

    async def enter(self, phase: str) -> None:
        """Go to a phase, and wait until both gateways have taken in what it changes."""
        before = await self._identities()
        document = await self.rotate("--phase", phase)
        assert (document["phase"], document["changed"]) == (phase, True)
        after = await self._identities()
        await self._until(
            # The same certificate with another bundle, or a renewal that began after the step.
            lambda name, now: (
                (now["generation"] > after[name]["generation"])
                or (
                    now["generation"] > before[name]["generation"]
                    and now["serial"] == before[name]["serial"]
                )
            )
        )

    async def until_signed_by(self, number: int) -> None:
        """Wait until both have a certificate of that authority, and a while of traffic more."""
        suffix = "issuing" if number == 1 else f"issuing {number}"
        await self._until(lambda _name, now: str(now["issuer"]).endswith(suffix))

    async def goes_on(self) -> None:
        """Nothing failed so far, and requests are answered now."""
        before = self.calls
        async with asyncio.timeout(DEADLINE_S):
            while self.calls < before + 20:
                assert not self.failures, self.failures[:3]
                await asyncio.sleep(_PAUSE_S)

    async def call(self, *, keeps: bool) -> None:
        """Requests one after the other, over one connection or over new ones."""
        headers = {} if keeps else {"Connection": "close"}
        while True:
            try:
                async with self._session.post(
                    f"{self._url}/echo", data=b"x", headers=headers
                ) as reply:
                    body = await reply.read()
                    if reply.status != 200:
                        self.failures.append(f"{reply.status} {body[:300]!r}")
            except aiohttp.ClientError as error:
                self.failures.append(repr(error))
            self.calls += 1
            await asyncio.sleep(_PAUSE_S)

    async def listen(self) -> None:
        """Short event streams, one after the other; every event comes."""
        while True:
            try:
                async with self._session.get(f"{self._url}/events?count=20") as reply:
                    text = await reply.read()
                if reply.status != 200 or text.count(b"data: ") != 20:
                    self.failures.append(f"stream: {reply.status} {text[-300:]!r}")
            except aiohttp.ClientError as error:
                self.failures.append(repr(error))

    def _rotate(self, *options: str) -> dict[str, Any]:
        done = subprocess.run(
            [
                *(*COMMAND, "issuer", "rotate-ca", "--json"),
                *("--dir", str(self._both.issuer.folder), *options),
            ],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    async def _identities(self) -> dict[str, dict[str, Any]]:
        gateways = {"near": self._both.near, "far": self._both.far}
        return {
            name: (await asyncio.to_thread(gateway.status))["identity"]
            for name, gateway in gateways.items()
        }

    async def _until(self, check: Callable[[str, dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            identities = await self._identities()
            if all(check(name, now) for name, now in identities.items()):
                break
            assert time.monotonic() < deadline, identities
            assert not self.failures, self.failures[:3]
            await asyncio.sleep(_LOOK_S)
        await self.goes_on()


@asynccontextmanager
async def rotation_stage(folder: Path) -> AsyncIterator[RotationStage]:
    """The stage, with traffic on it; at the end no request may have failed."""
    with AgentServer(None) as agent:
        made = two_gateways(folder, agent.port, protocol="http", life_s=LIFE_S)
        both = await asyncio.to_thread(made.__enter__)
        try:
            async with aiohttp.ClientSession() as session:
                stage = RotationStage(both, session)
                traffic = [
                    asyncio.create_task(work)
                    for work in (
                        stage.call(keeps=True),
                        stage.call(keeps=True),
                        stage.call(keeps=False),
                        stage.listen(),
                    )
                ]
                try:
                    await stage.goes_on()
                    yield stage
                    await stage.goes_on()
                finally:
                    for task in traffic:
                        task.cancel()
                    await asyncio.gather(*traffic, return_exceptions=True)
        finally:
            await asyncio.to_thread(made.__exit__, None, None, None)
        assert not stage.failures, stage.failures[:3]
