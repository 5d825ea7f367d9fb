from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal
from gateway.config.model import ConfiguConfig
from gateway.configu.sync import ConfiguSync, Place, Published
from identity.configu.sync_state import state_ref, token_ref
from identity.errors import (
    ConfigRefused,
    InvalidConfigSchema,
    NotPublished,
    SecretNotFound,
    SyncStateDamaged,
    TokenDenied,
    TokenUnavailable,
)
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes.configu_server import ORG, QUEUE, TOKEN, ConfiguServer
from tests.fakes.http_thread import Reply, Request

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


class DyingStore(MemoryStore):
    """Ends the process before, or after, one of its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.after = False

    async def set(self, ref: SecretRef, value: Secret) -> None:
        if self.left == 0 and not self.after:
            raise Killed
        await super().set(ref, value)
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1


class Rig:
    def __init__(self, folder: Path, server: ConfiguServer) -> None:
        self.folder = folder
        self.server = server
        self.store = DyingStore()
        self.now = NOW
        self.declare({"A": {}, "B": {}, "C": {}})

    def declare(self, schema: Any) -> None:
        (self.folder / "app.cfgu.json").write_text(json.dumps(schema))

    @property
    def sync(self) -> ConfiguSync:
        return ConfiguSync(
            ConfiguConfig(
                url=self.server.url,
                org=ORG,
                set="prod",
                schemas=(self.folder / "app.cfgu.json",),
                tag="",
                interval_s=60,
                max_offline_s=3600,
                ca_file=None,
            ),
            "acme",
            store=self.store,
            journal=Journal(self.folder / "audit.jsonl", project="acme"),
            place=Place(lock=self.folder / "lock", contact=self.folder / "contact.json"),
            now=lambda: self.now,
        )

    async def pull(self, **more: Any) -> dict[str, str]:
        report = await self.sync.pull(**more)
        return {item.name: item.kind for item in report.findings}

    async def values(self) -> dict[str, str]:
        names = [name for name in await self.store.names("acme") if len(name) == 1]
        return {name: (await self.store.get(SecretRef("acme", name))).reveal() for name in names}

    async def set(self, name: str, value: str) -> None:
        await self.store.set(SecretRef("acme", name), Secret(value))

    def journal(self) -> list[tuple[str, str, str]]:
        lines = map(json.loads, (self.folder / "audit.jsonl").read_text().splitlines())
        return [(line["action"], line["name"], line["outcome"]) for line in lines]


@pytest.fixture
def server() -> Iterator[ConfiguServer]:
    with ConfiguServer() as made:
        yield made


@pytest.fixture
async def rig(tmp_path: Path, server: ConfiguServer) -> Rig:
    made = Rig(tmp_path, server)
    await made.store.set(token_ref("acme"), Secret(TOKEN))
    return made


async def test_values_are_taken_by_the_hierarchy(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "root", ("prod", "A"): "prod", ("", "B"): "b"}
    assert await rig.pull(dry_run=True) == {"A": "new", "B": "new", "C": "missing"}
    assert await rig.values() == {}
    assert await rig.pull() == {"A": "new", "B": "new", "C": "missing"}
    assert await rig.values() == {"A": "prod", "B": "b"}
    assert await rig.pull() == {"A": "same", "B": "same", "C": "missing"}
    assert rig.journal() == [
        ("secret.write", name, outcome) for name in "AB" for outcome in ("begun", "ok")
    ]


async def test_the_journal_has_the_say(rig: Rig) -> None:
    """What can't be written down is not done."""
    rig.server.configs["", "A"] = "1"
    (rig.folder / "audit.jsonl").mkdir()
    with pytest.raises(Exception, match="can't write the audit journal"):
        await rig.pull()
    assert await rig.values() == {}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(4))
async def test_a_sync_that_is_killed_is_taken_up_by_the_next(
    rig: Rig, at: int, after: bool
) -> None:
    rig.server.configs = {("", "A"): "a1", ("", "B"): "b1"}
    await rig.pull()
    rig.server.configs = {("", "A"): "a2", ("", "B"): "b2"}
    rig.store.left, rig.store.after = at, after
    with pytest.raises(Killed):
        await rig.pull()
    values = await rig.values()
    assert values["A"] in {"a1", "a2"}
    assert values["B"] in {"b1", "b2"}
    # Configu goes on meanwhile: what the killed sync left behind is nobody's own value.
    rig.store.left = None
    rig.server.configs = {("", "A"): "a3", ("", "B"): "b3"}
    assert set((await rig.pull()).values()) == {"changed", "missing"}
    assert await rig.values() == {"A": "a3", "B": "b3"}
    assert await rig.pull() == {"A": "same", "B": "same", "C": "missing"}


@pytest.mark.parametrize("at", range(4))
async def test_a_first_sync_that_is_killed(rig: Rig, at: int) -> None:
    rig.server.configs = {("", "A"): "a1", ("", "B"): "b1"}
    rig.store.left = at
    with pytest.raises(Killed):
        await rig.pull()
    rig.store.left = None
    rig.server.configs = {("", "A"): "a2", ("", "B"): "b2"}
    assert "drift" not in (await rig.pull()).values()
    assert await rig.values() == {"A": "a2", "B": "b2"}


async def test_what_is_gone_stays_and_what_is_removed_here_is_drift(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "1", ("", "B"): "2"}
    await rig.pull()
    rig.server.configs = {("", "B"): "2"}
    await rig.store.delete(SecretRef("acme", "B"))
    assert await rig.pull() == {"A": "stale", "B": "drift", "C": "missing"}
    assert await rig.values() == {"A": "1"}
    kinds = {item.name: item.kind for item in (await rig.sync.local()).findings}
    assert kinds == {"A": "stale", "B": "drift"}
    assert await rig.sync.taken() == ["A"]
    assert await rig.pull(take={"B"}) == {"A": "stale", "B": "new", "C": "missing"}
    rig.declare({"B": {}})
    assert await rig.pull() == {"A": "stale", "B": "same"}


async def test_what_no_store_keeps_is_not_taken(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "v" * 70_000, ("", "B"): "a\0b", ("", "C"): "\ud800"}
    report = await rig.sync.pull()
    assert {item.kind for item in report.findings} == {"invalid"}
    assert await rig.values() == {}
    rig.declare({"_A": {}, "x" * 128: {}})
    rig.server.configs = {("", "_A"): "1", ("", "x" * 128): "1"}
    report = await rig.sync.pull()
    assert {item.kind for item in report.findings if item.name != "A"} == {"invalid"}


async def test_when_it_was_asked_is_written_down(rig: Rig) -> None:
    await rig.pull()
    assert (await rig.sync.contact()).answered_at == NOW
    rig.now, rig.server.fails = NOW.replace(hour=13), 503
    with pytest.raises(TokenUnavailable):
        await rig.pull()
    contact = await rig.sync.contact()
    assert (contact.asked_at, contact.answered_at) == (rig.now, NOW)
    assert "503" in contact.problem


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_changes_nothing(rig: Rig, status: int) -> None:
    rig.server.configs = {("", "A"): "1"}
    await rig.pull()
    rig.server.fails = status
    with pytest.raises(TokenDenied, match=str(status)):
        await rig.pull()
    assert await rig.values() == {"A": "1"}


async def test_what_is_missing_is_told(rig: Rig) -> None:
    await rig.store.delete(token_ref("acme"))
    with pytest.raises(SecretNotFound) as caught:
        await rig.pull()
    assert "login configu" in caught.value.hint
    rig.declare([])
    with pytest.raises(InvalidConfigSchema, match=r"app\.cfgu\.json"):
        await rig.pull()


async def test_a_state_that_is_damaged_can_be_forgotten(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "1"}
    await rig.pull()
    await rig.store.set(state_ref("acme"), Secret("{}"))
    with pytest.raises(SyncStateDamaged):
        await rig.pull()
    await rig.sync.forget()
    assert (await rig.pull())["A"] == "same"


async def test_more_configs_than_can_be_remembered_write_nothing(rig: Rig) -> None:
    names = [f"K{number:04}" + "x" * 60 for number in range(800)]
    rig.declare({name: {} for name in names})
    rig.server.configs = {("", name): "1" for name in names}
    with pytest.raises(ConfigRefused, match="800 configs"):
        await rig.pull()
    assert len(await rig.store.names("acme")) == 1


async def test_a_value_is_published_and_read_back(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "1"}
    await rig.pull()
    await rig.set("A", "2")
    assert await rig.sync.publish("A", Secret("2")) == Published(state="stored")
    assert rig.server.configs["prod", "A"] == "2"
    assert (await rig.pull())["A"] == "same"
    assert ("configu.publish", "A", "ok") in rig.journal()


async def test_a_published_value_may_wait(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "1"}
    await rig.pull()
    rig.server.protected.add("prod")
    await rig.set("A", "2")
    published = await rig.sync.publish("A", Secret("2"))
    assert published == Published(state="pending", queue_url=QUEUE)
    assert (await rig.pull())["A"] == "pending"
    assert (await rig.values())["A"] == "2"
    assert (await rig.pull(take={"A"}))["A"] == "changed"
    assert (await rig.values())["A"] == "1"


async def test_what_can_not_be_published(rig: Rig) -> None:
    rig.declare({"A": {"pattern": "^a"}, "B": {"lazy": True}, "C": {"const": "c"}})
    for name, value, why in (
        ("A", "b", "pattern"),
        ("A", "a" * 70_000, "bytes long"),
        ("B", "b", "lazy"),
        ("C", "c", "has the value"),
        ("X", "x", "no schema declares"),
    ):
        with pytest.raises(ConfigRefused, match=why):
            await rig.sync.publish(name, Secret(value))
    assert rig.server.requests == []


class Lossy(ConfiguServer):
    """Takes what is written, and says that it can't; or takes it and keeps another value."""

    keeps = True

    def answer(self, request: Request) -> Reply:
        if request.method != "PUT":
            return super().answer(request)
        if self.keeps:
            super().answer(request)
            return Reply(status=502)
        return Reply(body={})


async def test_a_write_whose_answer_is_lost_is_read_back(rig: Rig) -> None:
    with Lossy() as lossy:
        rig.server = lossy
        assert (await rig.sync.publish("A", Secret("1"))).state == "stored"
        lossy.keeps = False
        with pytest.raises(NotPublished):
            await rig.sync.publish("A", Secret("2"))
        assert ("configu.publish", "A", "failed") in rig.journal()
        lossy.fails = 503
        with pytest.raises(TokenUnavailable):
            await rig.sync.publish("A", Secret("3"))


async def test_a_token_is_tried(rig: Rig) -> None:
    rig.server.configs = {("", "A"): "1"}
    assert await rig.sync.check_token(Secret(TOKEN)) == 1
    with pytest.raises(TokenDenied, match="401"):
        await rig.sync.check_token(Secret("another"))
