"""A supervisor of the test's own."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from gateway.audit.journal import Journal
from gateway.config.model import Config, FilesSourceConfig
from gateway.control_plane.parts import Parts
from gateway.control_plane.resolver import Lookup, look_up
from gateway.control_plane.supervisor import Supervisor
from gateway.data_plane.failure import explanation
from gateway.errors import ConfigInvalid
from gateway.ipc.events import Event
from gateway.ipc.snapshot import Snapshot
from gateway.telemetry.logs import LogSink, Redactor
from gateway.telemetry.span_exporter import SpanExporter
from tests.fakes import configs, worker
from tests.fakes.desks import memory_desk
from tests.fakes.feeds import FakeFeeds, generation


class SupervisorRig:
    """A supervisor with workers that are fakes, and all that it is put together from."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        feeds: FakeFeeds,
        mode: str,
        *,
        lookup: Lookup = look_up,
    ) -> None:
        self.config = config
        self.feeds = feeds
        self.folder = folder
        self.on_disk: Config | ConfigInvalid = config
        self.announced: list[str] = []
        self.end: asyncio.Future[int] = asyncio.Future()
        self._up = asyncio.Event()
        self.sink = LogSink(folder / "gw.log")
        self.journal = Journal(folder / "audit.jsonl", project="acme")
        self.supervisor = Supervisor(
            config,
            Parts(
                version="1.2.3",
                feeds=feeds.feeds,
                load=self._load,
                journal=self.journal,
                sink=self.sink,
                redactor=Redactor(),
                announce=self._announce,
                meaning=explanation,
                exporter=SpanExporter({}, rng=random.Random(1)),
                open_desk=memory_desk,
                worker_command=worker.command(mode),
                lookup=lookup,
            ),
        )

    @property
    def snapshot(self) -> Snapshot:
        """What workers were told last."""
        snapshot = self.supervisor._publisher.snapshot
        assert snapshot is not None
        return snapshot

    def hear(self, event: Event) -> None:
        """A worker tells of an event."""
        self.supervisor._on_event(event)

    def _load(self) -> Config:
        if isinstance(self.on_disk, ConfigInvalid):
            raise self.on_disk
        return self.on_disk

    def _announce(self, text: str) -> None:
        self.announced.append(text)
        self._up.set()

    async def until_up(self) -> None:
        async with asyncio.timeout(30):
            await self._up.wait()

    async def ask(self, method: str, path: str) -> tuple[int, Any]:
        connector = aiohttp.UnixConnector(path=str(self.config.admin.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://gw{path}") as reply,
        ):
            text = await reply.text()
            return reply.status, json.loads(text) if "json" in reply.content_type else text

    async def status(self) -> dict[str, Any]:
        code, body = await self.ask("GET", "/status")
        assert code == 200
        assert isinstance(body, dict)
        return body

    async def until(self, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                body = await self.status()
                if check(body):
                    return body
                await asyncio.sleep(0.02)

    async def until_ready(self) -> dict[str, Any]:
        return await self.until(lambda body: body["state"] == "ready")

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


async def served_by(address: str) -> int:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(30):
        reply = await reader.read()
    writer.close()
    return int(reply.rpartition(b"\r\n\r\n")[2])


@asynccontextmanager
async def running(
    folder: Path,
    config: Config | None = None,
    *,
    feeds: FakeFeeds | None = None,
    mode: str = "",
    lookup: Lookup = look_up,
) -> AsyncIterator[SupervisorRig]:
    """A supervisor that is up, drained at the end."""
    feeds = feeds or FakeFeeds(first=generation())
    gateway = SupervisorRig(folder, config or configs.config(folder), feeds, mode, lookup=lookup)
    gateway.end = asyncio.create_task(gateway.supervisor.run())
    try:
        await gateway.until_up()
        yield gateway
    finally:
        if not gateway.end.done():
            gateway.supervisor.drain()
        async with asyncio.timeout(10):
            await asyncio.wait([gateway.end])
        gateway.sink.close()


def with_other_source(config: Config) -> Config:
    (files,) = config.identity.sources
    assert isinstance(files, FilesSourceConfig)
    files = replace(files, certificate=files.certificate.with_name("other.pem"))
    return replace(config, identity=replace(config.identity, sources=(files,)))
