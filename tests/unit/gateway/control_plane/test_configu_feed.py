from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gateway.audit.journal import Journal
from gateway.config.model import Config, ConfiguConfig
from gateway.configu.sync import ConfiguSync, Place
from gateway.control_plane.configu_feed import ConfiguFeed
from gateway.control_plane.views import ConfiguView
from identity.configu.sync_state import token_ref
from identity.errors import StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs
from tests.fakes.clock import FakeClock
from tests.fakes.configu_server import ORG, TOKEN, ConfiguServer

A = SecretRef("acme", "A")


@pytest.fixture
def server() -> Iterator[ConfiguServer]:
    with ConfiguServer() as made:
        yield made


class Bench:
    def __init__(self, folder: Path, server: ConfiguServer) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.changes = 0
        (folder / "app.cfgu.json").write_text('{"A": {}}')
        configu = ConfiguConfig(
            url=server.url,
            org=ORG,
            set="",
            schemas=(folder / "app.cfgu.json",),
            tag="",
            interval_s=60.0,
            max_offline_s=3600.0,
            ca_file=None,
        )
        self.config = replace(configs.config(folder), configu=configu)
        self.feed = ConfiguFeed(self.open, clock=self.clock, rng=Random(1))

    def open(self, config: ConfiguConfig, project: str) -> ConfiguSync:
        return ConfiguSync(
            config,
            project,
            store=self.store,
            journal=Journal(self.folder / "audit.jsonl", project=project),
            place=Place(lock=self.folder / "lock", contact=self.folder / "contact.json"),
            now=self.clock.now,
        )

    @asynccontextmanager
    async def running(self, config: Config | None = None) -> AsyncIterator[None]:
        await self.store.set(token_ref("acme"), Secret(TOKEN))
        self.feed.use(config or self.config)
        task = asyncio.create_task(self.feed.run(self._changed))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _changed(self) -> None:
        self.changes += 1

    async def value(self) -> str:
        return (await self.store.get(A)).reveal()

    async def until(self, changes: int) -> None:
        async with asyncio.timeout(20):
            while self.changes < changes:
                await asyncio.sleep(0.01)

    async def view(self, *, problem: bool = False, wanting: int = 0) -> ConfiguView:
        async with asyncio.timeout(20):
            while True:
                view = self.feed.view()
                assert view is not None
                if bool(view.problem) == problem and len(view.wanting) == wanting:
                    return view
                await asyncio.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path, server: ConfiguServer) -> Bench:
    return Bench(tmp_path, server)


async def pass_interval(bench: Bench) -> None:
    async with asyncio.timeout(20):
        while not bench.clock.longest_sleep_s:
            await asyncio.sleep(0.01)
    await bench.clock.advance(60)


async def test_a_change_is_taken_and_told(bench: Bench, server: ConfiguServer) -> None:
    server.configs["", "A"] = "1"
    async with bench.running():
        await bench.until(1)
        assert await bench.value() == "1"
        server.configs["", "A"] = "2"
        await pass_interval(bench)
        await bench.until(2)
        assert await bench.value() == "2"
        assert (await bench.view()).contact.age_s(bench.clock.now()) == 0


async def test_failures_are_shown_and_get_over(bench: Bench, server: ConfiguServer) -> None:
    server.configs["", "A"], server.fails = "1", 503
    async with bench.running():
        view = await bench.view(problem=True)
        assert "503" in view.problem
        assert view.too_old
        server.fails = 0
        await pass_interval(bench)
        await bench.until(1)
        view = await bench.view()
        assert view.too_old == ""


async def test_drift_is_shown_and_left(bench: Bench, server: ConfiguServer) -> None:
    server.configs["", "A"] = "1"
    await bench.store.set(A, Secret("mine"))
    async with bench.running():
        view = await bench.view(wanting=1)
        assert [(item.name, item.kind) for item in view.wanting] == [("A", "drift")]
        assert await bench.value() == "mine"
        assert await bench.feed.outdated(bench.config) == {}


async def test_what_is_too_old_is_named(bench: Bench, server: ConfiguServer) -> None:
    server.configs["", "A"] = "1"
    assert await bench.feed.outdated(bench.config) == {}, "nothing is from Configu yet"
    async with bench.running():
        await bench.until(1)
        assert await bench.feed.outdated(bench.config) == {}
    await bench.clock.jump(3601)
    told = await bench.feed.outdated(bench.config)
    assert list(told) == ["A"]
    assert "max_offline_s is 3600" in told["A"]
    # Also while the store is silent, and for a gateway that has just been started.
    another = Bench(bench.folder, server)
    another.store, another.clock = bench.store, bench.clock
    another.feed = ConfiguFeed(another.open, clock=bench.clock, rng=Random(1))
    assert await another.feed.outdated(bench.config) == told

    class Silent(MemoryStore):
        async def get(self, ref: SecretRef) -> Secret:
            raise StoreUnavailable("locked")

    another.store = Silent()
    another.feed.use(bench.config)
    assert await another.feed.outdated(bench.config) == told
    await bench.clock.jump(-7200)
    assert "nobody knows" in (await bench.feed.outdated(bench.config))["A"]


async def test_another_configuration_is_followed_at_once(
    bench: Bench, server: ConfiguServer
) -> None:
    server.configs["", "A"] = "1"
    without = replace(bench.config, configu=None)
    async with bench.running(without):
        assert bench.feed.view() is None
        assert await bench.feed.outdated(without) == {}
        bench.feed.use(bench.config)
        await bench.until(1)
        bench.feed.use(without)
        assert bench.feed.view() is None
