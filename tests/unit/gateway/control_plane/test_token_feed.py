from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gateway.config.model import FileTokenConfig, TokenConfig
from gateway.control_plane import token_feed
from gateway.control_plane.token_feed import TokenFeed
from gateway.errors import StartFailed
from identity.errors import TokenDenied
from identity.token_sources.base import Token, TokenSource
from tests.fakes import configs
from tests.fakes.clock import FakeClock, settle
from tests.fakes.token_source import ScriptedSource

ONE = FileTokenConfig(name="one", path=Path("/one"))
TWO = FileTokenConfig(name="two", path=Path("/two"))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.opened: list[tuple[TokenConfig, ScriptedSource]] = []
        self.config = configs.config(folder, tokens=(ONE, TWO))
        self.feed = TokenFeed(self._open, clock=self.clock, rng=Random(1))

    def _open(self, token: TokenConfig, _project: str) -> TokenSource:
        self.opened.append((token, ScriptedSource(self.clock)))
        return self.opened[-1][1]

    def value(self, name: str) -> str:
        value = self.feed.value(name)
        return value.reveal() if value else ""


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.feed.run())
    await settle()
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_only_what_is_used_is_opened_and_nothing_asked_before_it_runs(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    await bench.feed.use(bench.config, {"one"})
    await settle()
    assert [(token.name, source.asked) for token, source in bench.opened] == [("one", 0)]
    assert "no [tokens.two]" in bench.feed.problem("two")
    async with running(bench):
        assert bench.value("one") == "token-1"
        assert bench.feed.changed.is_set()
    assert bench.opened[0][1].is_closed


async def test_a_reload_keeps_what_is_the_same_and_ends_what_is_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.feed.use(bench.config, {"one", "two"})
    async with running(bench):
        moved = replace(TWO, path=Path("/elsewhere"))
        changed = configs.config(tmp_path, tokens=(ONE, moved))
        await bench.feed.use(changed, {"one", "two"})
        by_config = dict(bench.opened)
        assert len(bench.opened) == 3
        assert by_config[TWO].is_closed
        assert (by_config[ONE].is_closed, by_config[ONE].asked) == (False, 1)
        assert bench.value("two") == "token-1"
        await bench.feed.use(changed, {"two"})
        assert by_config[ONE].is_closed
        assert bench.value("one") == ""


async def test_a_slow_source_does_not_hold_a_reload_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_feed, "FIRST_S", 0.01)

    class Silent(ScriptedSource):
        async def fetch(self) -> Token:
            await asyncio.Event().wait()
            raise AssertionError

    bench = Bench(tmp_path)
    bench.feed = TokenFeed(lambda *_: Silent(bench.clock), clock=bench.clock, rng=Random(1))
    async with running(bench):
        await bench.feed.use(bench.config, {"one"})
        assert "still being asked for" in bench.feed.problem("one")


async def test_a_source_that_can_not_be_opened_says_why(tmp_path: Path) -> None:
    def refuse(_token: TokenConfig, _project: str) -> TokenSource:
        raise StartFailed("it needs google-auth", hint="install it")

    bench = Bench(tmp_path)
    bench.feed = TokenFeed(refuse, clock=bench.clock, rng=Random(1))
    async with running(bench):
        await bench.feed.use(bench.config, {"one"})
        assert bench.feed.problem("one").endswith("it needs google-auth; install it")


async def test_a_reload_asks_again_what_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.feed.use(bench.config, {"one", "two"})
    sources = {token.name: source for token, source in bench.opened}
    sources["one"].error = TokenDenied("the secret is not set")
    async with running(bench):
        sources["one"].error = None
        await bench.feed.use(bench.config, {"one", "two"})
        assert bench.value("one") == "token-2"
        assert sources["two"].asked == 1


async def test_tokens_are_renewed_by_name_and_others_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.feed.use(bench.config, {"one", "two"})
    async with running(bench):
        assert await bench.feed.renew({"two", "gone"})
        assert (bench.value("one"), bench.value("two")) == ("token-1", "token-2")
        assert not await bench.feed.renew({"two"}), "it was renewed just now"
        assert not await bench.feed.renew(set())
