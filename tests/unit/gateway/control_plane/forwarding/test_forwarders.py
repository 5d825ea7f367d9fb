"""`gateway.control_plane.forwarding.forwarders`."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.config.audit_model import AuditConfig, ForwardConfig
from gateway.config.model import Config, HeaderTemplate
from gateway.control_plane.forwarding.forwarders import NAMES_KEY, Forwarders
from gateway.control_plane.snapshots import Attached
from identity.secret_stores.base import SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs
from tests.fakes.langsmith_server import PERSONAL, LangSmithServer
from tests.fakes.otlp_collector import OtlpCollector
from tests.fakes.syslog_server import StreamServer

KEY = HeaderTemplate("x-api-key", ("", "key", ""))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / "audit.jsonl", project="acme")
        self.store: MemoryStore = MemoryStore()

    def config(self, *items: ForwardConfig) -> Config:
        return replace(configs.config(self.folder), audit=AuditConfig(forward=items))

    async def note(self, *names: str) -> None:
        for name in names:
            await asyncio.to_thread(self.journal.record, "secret.use", outcome="ok", name=name)

    def forwarders(self) -> Forwarders:
        return Forwarders(
            self.journal, self.store, version="1.2", rng=random.Random(1), pause=brief
        )

    @asynccontextmanager
    async def running(self, *items: ForwardConfig) -> AsyncIterator[Forwarders]:
        forwarders = self.forwarders()
        forwarders.configure(self.config(*items), {})
        task = asyncio.create_task(forwarders.run())
        try:
            yield forwarders
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await forwarders.finish(5.0)


async def brief(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.01))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_all_kinds_get_all_lines(bench: Bench) -> None:
    await bench.note("a", "b")
    with LangSmithServer() as langsmith, StreamServer() as syslog:
        async with OtlpCollector() as collector:
            runs = ForwardConfig(
                name="runs", kind="langsmith", to=langsmith.url, headers=(KEY,), project="audit"
            )
            logs = ForwardConfig(name="logs", kind="otlp", to=collector.endpoint)
            to = f"tcp://127.0.0.1:{syslog.port}"
            lines = ForwardConfig(name="lines", kind="syslog", to=to, facility=13)
            async with bench.running(runs, logs, lines) as forwarders:
                await until(lambda: [item.position for item in forwarders.views()][1:] == [2, 2])
                # Without the key nothing goes, and nothing of the journal may be removed.
                assert forwarders.position() == 0
                assert "still being read" in forwarders.views()[0].problem
                attached = {runs.owner: Attached(headers=(("x-api-key", PERSONAL),))}
                forwarders.configure(bench.config(runs, logs, lines), attached)
                await bench.note("c")
                await until(lambda: forwarders.position() == 3)
            assert len(langsmith.runs) == len(collector.logs) == 3
            await until(lambda: len(syslog.messages) == 3)
            assert {item.facility for item in syslog.messages} == {13}
            assert {item.host for item in syslog.messages} == {socket.gethostname()}


async def test_a_reload_replaces_what_it_changes_and_nothing_else(bench: Bench) -> None:
    await bench.note("a")
    async with OtlpCollector() as old, OtlpCollector() as new, OtlpCollector() as same:
        first = ForwardConfig(name="logs", kind="otlp", to=old.endpoint)
        other = ForwardConfig(name="other", kind="otlp", to=same.endpoint)
        async with bench.running(first, other) as forwarders:
            await until(lambda: forwarders.position() == 1)
            moved = replace(first, to=new.endpoint)
            forwarders.configure(bench.config(moved, other), {})
            await until(lambda: {item.to for item in forwarders.views()} >= {new.endpoint})
            await bench.note("b")
            await until(lambda: forwarders.position() == 2)
            forwarders.configure(bench.config(), {})
            await until(lambda: forwarders.views() == ())
            assert forwarders.position() is None
        assert [len(item.logs) for item in (old, new, same)] == [1, 1, 2]


async def test_what_is_left_goes_at_the_end(bench: Bench) -> None:
    async with OtlpCollector() as collector:
        item = ForwardConfig(name="logs", kind="otlp", to=collector.endpoint)
        async with bench.running(item) as forwarders:
            await until(lambda: bool(forwarders.views()))
            await bench.note("last")
        # Twice where it was on its way already.
        assert {json.loads(log.body.string_value)["name"] for log in collector.logs} == {"last"}


async def test_the_key_of_hashed_names_is_made_once(bench: Bench) -> None:
    await bench.note("openai")
    bodies = []
    for name in ("one", "two"):
        async with OtlpCollector() as collector:
            item = ForwardConfig(name=name, kind="otlp", to=collector.endpoint, hashed_names=True)
            async with bench.running(item) as forwarders:
                await until(lambda: forwarders.position() == 1)
            bodies.append(collector.logs[0].body.string_value)
    assert bodies[0] == bodies[1]
    assert "openai" not in bodies[0]
    assert len((await bench.store.get(SecretRef("acme", NAMES_KEY))).reveal()) == 64
