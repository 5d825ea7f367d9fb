from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random

import pytest

from gateway.audit.journal import Journal
from gateway.config.model import TELEMETRY, FileTokenConfig, HeaderTemplate, TelemetryConfig
from gateway.control_plane import header_feed
from gateway.control_plane.header_feed import StoreHeaderFeed
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.token_feed import TokenFeed
from gateway.control_plane.token_keeper import RENEW_EVERY_S
from identity.errors import StoreUnavailable, TokenUnavailable, TouchNeeded
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs
from tests.fakes.clock import FakeClock, settle
from tests.fakes.token_source import ScriptedSource

REF = SecretRef("acme", "planner-token")
ROUTE = configs.route(headers=(HeaderTemplate("Authorization", ("Bearer ", "planner-token", "")),))


class LockedStore(MemoryStore):
    async def get(self, ref: SecretRef) -> Secret:
        raise StoreUnavailable("the keychain is locked")


class SealingStore(MemoryStore):
    """Its values were sealed meanwhile."""

    async def get(self, ref: SecretRef) -> Secret:
        raise TouchNeeded(f"secret {ref} is sealed", hint="a route can't touch")


class Bench:
    def __init__(self, folder: Path, store: MemoryStore, *, journal: Path | None = None) -> None:
        self.path = journal or folder / "audit.jsonl"
        self.config = configs.config(folder, ROUTE, configs.route("plain"))
        self.changes = 0
        self.now = 1000.0
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock)
        self.feed = StoreHeaderFeed(
            self.config,
            self._changed,
            store=store,
            tokens=TokenFeed(lambda *_: self.source, clock=self.clock, rng=Random(1)),
            journal=Journal(self.path, project="acme"),
            monotonic=lambda: self.now,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def prepare(self) -> Attached:
        await self.feed.prepare(self.config)
        return self.feed.attached["planner"]

    def uses(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [(line["name"], line["reason"]) for line in lines]


async def store_with(value: str) -> MemoryStore:
    store = MemoryStore()
    await store.set(REF, Secret(value))
    return store


async def test_a_template_becomes_a_header_and_its_use_is_on_paper_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("hunter2"))
    attached = await bench.prepare()
    assert attached.headers == (("Authorization", "Bearer hunter2"),)
    assert attached.redact == ("hunter2",)
    assert bench.feed.attached["plain"] == Attached()
    await bench.prepare()
    assert bench.uses() == [("planner-token", "planner")]
    assert "hunter2" not in bench.path.read_text()
    assert [view.state for view in bench.feed.secrets] == ["ready"]


async def test_a_missing_secret_names_the_reference(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MemoryStore())
    told = (
        "the secret planner-token is not set; "
        "run: devwiz-gw secret set planner-token --project acme"
    )
    assert (await bench.prepare()).unavailable == told
    assert bench.feed.secrets[0].state == told


async def test_a_store_that_can_not_be_asked_leaves_the_last_value(tmp_path: Path) -> None:
    store = await store_with("hunter2")
    bench = Bench(tmp_path, store)
    before = await bench.prepare()
    store.get = LockedStore().get  # type: ignore[method-assign]
    assert await bench.prepare() == before
    assert "locked" in bench.feed.secrets[0].state
    cold = Bench(tmp_path, LockedStore())
    assert "the keychain is locked" in (await cold.prepare()).unavailable


async def test_a_secret_that_was_removed_is_gone_from_the_route(tmp_path: Path) -> None:
    store = await store_with("hunter2")
    bench = Bench(tmp_path, store)
    await bench.prepare()
    await store.delete(REF)
    assert (await bench.prepare()).unavailable


async def test_a_secret_that_was_sealed_is_used_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("hunter2"))
    await bench.prepare()
    bench.feed._store = SealingStore()
    attached = await bench.prepare()
    assert not attached.headers
    assert "acme/planner-token is sealed; a route can't touch" in bench.feed.secrets[0].state


async def test_a_value_that_would_break_the_head_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("a\r\nX-Evil: 1"))
    attached = await bench.prepare()
    assert "characters that can't be in a header" in attached.unavailable
    assert attached.headers == ()


async def test_without_a_journal_no_value_is_released(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path, await store_with("hunter2"), journal=tmp_path / "file" / "a.jsonl")
    attached = await bench.prepare()
    assert "audit journal" in attached.unavailable
    assert attached.headers == ()


async def test_a_changed_value_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_feed, "INTERVAL_S", 0.01)
    store = await store_with("hunter2")
    bench = Bench(tmp_path, store)
    await bench.prepare()
    task = asyncio.create_task(bench.feed.run())
    await store.set(REF, Secret("hunter3"))
    async with asyncio.timeout(30):
        while not bench.changes:
            await asyncio.sleep(0.01)
    task.cancel()
    assert bench.feed.attached["planner"].redact == ("hunter3",)
    assert len(bench.uses()) == 2


async def test_a_secret_that_a_reload_lacks_is_looked_for_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_feed, "INTERVAL_S", 3600.0)
    monkeypatch.setattr(header_feed, "RETRY_S", 0.01)
    store = MemoryStore()
    bench = Bench(tmp_path, store)
    await bench.feed.prepare(configs.config(tmp_path, configs.route("plain")))
    task = asyncio.create_task(bench.feed.run())
    await settle()
    assert (await bench.prepare()).unavailable
    await store.set(REF, Secret("hunter2"))
    async with asyncio.timeout(30):
        while not bench.changes:
            await asyncio.sleep(0.01)
    task.cancel()
    assert bench.feed.attached["planner"].redact == ("hunter2",)
    assert not bench.feed._problems


async def test_what_is_named_no_more_is_no_problem(tmp_path: Path) -> None:
    bench = Bench(tmp_path, MemoryStore())
    await bench.prepare()
    assert bench.feed._problems
    await bench.feed.prepare(configs.config(tmp_path, configs.route("plain")))
    assert not bench.feed._problems


class SlowStore(MemoryStore):
    """Answers when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.asked = 0

    async def get(self, ref: SecretRef) -> Secret:
        self.asked += 1
        await self.answer.wait()
        return await super().get(ref)


async def test_a_poll_under_way_does_not_put_the_old_routes_back(tmp_path: Path) -> None:
    store = SlowStore()
    await store.set(REF, Secret("hunter2"))
    bench = Bench(tmp_path, store)
    first = asyncio.create_task(bench.feed.prepare(bench.config))
    await asyncio.sleep(0)
    newer = configs.config(tmp_path, ROUTE, configs.route("added"))
    second = asyncio.create_task(bench.feed.prepare(newer))
    await asyncio.sleep(0)
    store.answer.set()
    await asyncio.gather(first, second)
    assert set(bench.feed.attached) == {"planner", "added"}


async def test_a_store_that_can_not_be_asked_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []

    class CountingLockedStore(LockedStore):
        async def get(self, ref: SecretRef) -> Secret:
            asked.append(ref.name)
            return await super().get(ref)

    headers = tuple(HeaderTemplate(f"X-{n}", ("", f"secret-{n}", "")) for n in range(5))
    bench = Bench(tmp_path, CountingLockedStore())
    bench.config = configs.config(tmp_path, configs.route(headers=headers))
    await bench.feed.prepare(bench.config)
    assert len(asked) == 1
    assert {view.state for view in bench.feed.secrets} == {
        f"the secret secret-{n} can't be read: the keychain is locked" for n in range(5)
    }


@pytest.mark.parametrize("value", ["two\r\nlines", " blank first", "blank last ", "ümlaut"])
async def test_an_unusable_value_is_told_once(
    tmp_path: Path, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, await store_with(value))
    for _ in range(3):
        assert "can't be in a header" in (await bench.prepare()).unavailable
    assert len(caplog.records) == 1
    assert value not in caplog.text


async def test_the_exporter_s_headers_are_fed_like_a_route_s(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("hunter2"))
    template = HeaderTemplate("X-Key", ("", "planner-token", ""))
    telemetry = TelemetryConfig(otlp_endpoint="https://c", otlp_headers=(template,))
    await bench.feed.prepare(configs.config(tmp_path, telemetry=telemetry))
    assert bench.feed.attached[TELEMETRY].headers == (("X-Key", "hunter2"),)
    assert [(view.name, view.route) for view in bench.feed.secrets] == [
        ("planner-token", TELEMETRY)
    ]
    assert bench.uses() == [("planner-token", TELEMETRY)]


TOKEN_ROUTE = configs.route(
    headers=(
        HeaderTemplate("Authorization", ("Bearer ", "token:idp", "")),
        HeaderTemplate("X-Key", ("", "planner-token", "")),
    )
)


class AskedStore(MemoryStore):
    """Counts how often it is asked."""

    asked = 0

    async def get(self, ref: SecretRef) -> Secret:
        self.asked += 1
        return await super().get(ref)


async def until(bench: Bench, value: str) -> None:
    """Wait until the route's token is that one, or "" for none."""
    async with asyncio.timeout(20):
        while bench.feed.attached["planner"].headers[:1] != (
            (("Authorization", f"Bearer {value}"),) if value else ()
        ):
            await settle()
            await asyncio.sleep(0.001)


async def test_a_token_is_swapped_live_and_the_store_is_not_asked_for_it(tmp_path: Path) -> None:
    store = AskedStore()
    await store.set(REF, Secret("hunter2"))
    bench = Bench(tmp_path, store)
    token = FileTokenConfig(name="idp", path=tmp_path / "t")
    bench.config = configs.config(tmp_path, TOKEN_ROUTE, tokens=(token,))
    attached = await bench.prepare()
    assert "still being asked for" in attached.unavailable
    running = asyncio.create_task(bench.feed.run())
    await until(bench, "token-1")
    assert bench.feed.attached["planner"].redact == ("token-1", "hunter2")
    asked = store.asked
    await bench.clock.advance(3300)
    await until(bench, "token-2")
    assert store.asked == asked
    assert [view.state for view in bench.feed.secrets] == ["ready", "ready"]
    bench.source.error = TokenUnavailable("away")
    await bench.clock.advance(3300)
    await until(bench, "token-2")
    assert "away" in bench.feed.secrets[0].state
    await bench.clock.advance(400)
    await until(bench, "")
    assert "away" in bench.feed.attached["planner"].unavailable
    running.cancel()
    await asyncio.wait([running])
    assert bench.source.is_closed
    assert bench.uses() == [
        ("idp", "planner"),
        ("planner-token", "planner"),
        ("idp", "planner"),
    ]
    assert bench.changes >= 3


async def test_a_reload_waits_for_the_first_token(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("hunter2"))
    running = asyncio.create_task(bench.feed.run())
    await settle()
    token = FileTokenConfig(name="idp", path=tmp_path / "t")
    bench.config = configs.config(tmp_path, TOKEN_ROUTE, tokens=(token,))
    assert (await bench.prepare()).redact == ("token-1", "hunter2")
    running.cancel()
    await asyncio.wait([running])


async def test_a_refused_token_is_replaced_and_published_when_that_returns(tmp_path: Path) -> None:
    store = AskedStore()
    await store.set(REF, Secret("hunter2"))
    bench = Bench(tmp_path, store)
    token = FileTokenConfig(name="idp", path=tmp_path / "t")
    bench.config = configs.config(tmp_path, TOKEN_ROUTE, tokens=(token,))
    await bench.prepare()
    running = asyncio.create_task(bench.feed.run())
    await until(bench, "token-1")
    asked, changes = store.asked, bench.changes
    outcomes = await asyncio.gather(*(bench.feed.renew("planner") for _ in range(3)))
    assert set(outcomes) == {"renewed"}
    assert bench.feed.attached["planner"].redact == ("token-2", "hunter2")
    assert bench.changes > changes
    assert (bench.source.asked, store.asked) == (2, asked + 1)
    assert await bench.feed.renew("planner") == "too soon"
    assert (bench.source.asked, store.asked) == (2, asked + 1)
    running.cancel()
    await asyncio.wait([running])


async def test_a_refused_secret_is_looked_up_once_in_a_while(tmp_path: Path) -> None:
    store = AskedStore()
    await store.set(REF, Secret("hunter2"))
    bench = Bench(tmp_path, store)
    await bench.prepare()
    assert await bench.feed.renew("planner") == "unchanged"
    await store.set(REF, Secret("hunter3"))
    assert await bench.feed.renew("planner") == "too soon"
    assert store.asked == 2
    bench.now += RENEW_EVERY_S
    assert await bench.feed.renew("planner") == "renewed"
    assert bench.feed.attached["planner"].redact == ("hunter3",)
    assert bench.changes == 1


async def test_a_route_without_values_has_nothing_to_renew(tmp_path: Path) -> None:
    bench = Bench(tmp_path, await store_with("hunter2"))
    await bench.prepare()
    assert await bench.feed.renew("plain") == "too soon"
    assert await bench.feed.renew("gone") == "too soon"
    assert bench.changes == 0
