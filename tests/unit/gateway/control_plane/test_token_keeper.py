from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from gateway.audit.journal import AuditFailed
from gateway.control_plane.token_keeper import FETCH_S, RENEW_EVERY_S, TICK_S, TokenKeeper
from identity.errors import SecretNotFound, TokenDenied, TokenEnded, TokenUnavailable
from identity.secret_stores.base import Secret
from identity.token_sources.base import Token
from tests.fakes.clock import FakeClock, settle
from tests.fakes.token_source import ScriptedSource


class Bench:
    def __init__(self, **source: float | None) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock, **source)
        self.news = 0
        self.keeper = TokenKeeper(
            "idp", self.source, self._changed, clock=self.clock, rng=Random(1)
        )

    def _changed(self) -> None:
        self.news += 1

    @property
    def value(self) -> str:
        return self.keeper.value.reveal() if self.keeper.value else ""


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.keeper.run())
    await settle()
    yield bench
    task.cancel()
    await asyncio.wait([task])
    assert bench.source.is_closed


async def test_the_next_one_is_there_before_the_end() -> None:
    async with running(Bench()) as bench:
        assert (bench.value, bench.keeper.problem, bench.news) == ("token-1", "", 1)
        await bench.clock.advance(3600 - 360 * 1.2 - 1)
        assert bench.source.asked == 1
        await bench.clock.advance(360 * 0.2 + 1 + TICK_S)
        assert bench.source.asked == 2
        assert (bench.value, bench.news) == ("token-2", 2)


async def test_the_last_good_one_is_used_to_its_end_and_no_longer() -> None:
    async with running(Bench(life_s=600)) as bench:
        bench.source.error = TokenUnavailable("the server is away", hint="wait")
        await bench.clock.advance(600 - 1)
        assert bench.value == "token-1"
        assert bench.keeper.problem == "the token idp can't be had: the server is away; wait"
        await bench.clock.advance(1 + TICK_S)
        assert bench.value == ""
        bench.source.error = None
        await bench.clock.advance(61)
        assert bench.value.startswith("token-")
        assert bench.keeper.problem == ""


async def test_a_refusal_leaves_it_and_the_end_of_the_session_takes_it() -> None:
    async with running(Bench()) as bench:
        bench.source.error = TokenDenied("no")
        await bench.clock.advance(3500)
        assert bench.value == "token-1"
        asked, bench.source.error = bench.source.asked, TokenEnded("signed out")
        while bench.source.asked == asked:
            await bench.clock.advance(TICK_S)
        assert bench.value == ""
        assert "signed out" in bench.keeper.problem


async def test_a_machine_that_slept_sees_the_end_and_asks_at_once() -> None:
    async with running(Bench()) as bench:
        await bench.clock.jump(8 * 3600)
        assert bench.keeper.problem == "the token idp has ended"
        assert bench.value == ""
        await bench.clock.advance(TICK_S)
        assert bench.value == "token-2"


async def test_a_source_that_tells_when_is_asked_then() -> None:
    async with running(Bench()) as bench:
        bench.source.error = TokenUnavailable("away", retry_after_s=120)
        await bench.clock.advance(3300)
        asked = bench.source.asked
        assert asked > 1
        await bench.clock.advance(100)
        assert bench.source.asked <= asked + 1


async def test_a_token_without_an_end_is_asked_for_when_its_source_wants() -> None:
    bench = Bench(life_s=None)
    bench.source.ask_again_s = 2.0
    async with running(bench):
        await bench.clock.advance(20)
        assert bench.source.asked == 11
        assert bench.news == 11


async def test_the_same_value_is_no_news() -> None:
    class Same(ScriptedSource):
        async def fetch(self) -> Token:
            await super().fetch()
            return Token(value=Secret("same"), ask_again_s=2.0)

    bench = Bench()
    bench.source = Same(bench.clock)
    bench.keeper = TokenKeeper(
        "idp", bench.source, bench._changed, clock=bench.clock, rng=Random(1)
    )
    async with running(bench):
        await bench.clock.advance(20)
        assert (bench.source.asked, bench.news) == (11, 1)


async def test_a_journal_that_can_not_be_written_is_a_problem_like_others() -> None:
    bench = Bench()
    bench.source.error = AuditFailed("can't write the audit journal")
    async with running(bench):
        assert "can't write the audit journal" in bench.keeper.problem


async def test_a_problem_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.source.error = SecretNotFound("secret acme/x is not set")
    async with running(bench):
        await bench.clock.advance(600)
        assert bench.source.asked > 2
        assert len(caplog.records) == 1
        assert bench.news == 1


@pytest.mark.parametrize("value", ["two\r\nlines", "ümlaut", " blank"])
async def test_what_does_not_fit_a_header_is_refused(
    value: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(ScriptedSource):
        async def fetch(self) -> Token:
            return Token(value=Secret(value))

    bench = Bench()
    bench.source = Odd(bench.clock)
    bench.keeper = TokenKeeper(
        "idp", bench.source, bench._changed, clock=bench.clock, rng=Random(1)
    )
    async with running(bench):
        assert bench.value == ""
        assert "can't be in a header" in bench.keeper.problem
        assert value not in caplog.text + bench.keeper.problem


async def test_one_that_has_ended_already_is_not_used() -> None:
    async with running(Bench(life_s=0)) as bench:
        assert bench.value == ""
        assert "has ended" in bench.keeper.problem


async def test_a_silent_source_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FETCH_S <= 60
    monkeypatch.setattr("gateway.control_plane.token_keeper.FETCH_S", 0.01)

    class Silent(ScriptedSource):
        async def fetch(self) -> Token:
            await asyncio.Event().wait()
            raise AssertionError

    bench = Bench()
    bench.source = Silent(bench.clock)
    bench.keeper = TokenKeeper(
        "idp", bench.source, bench._changed, clock=bench.clock, rng=Random(1)
    )
    async with running(bench):
        async with asyncio.timeout(20):
            await bench.keeper.asked.wait()
        assert "no answer in" in bench.keeper.problem


async def test_a_refused_token_is_replaced_at_once_for_all_who_ask() -> None:
    async with running(Bench()) as bench:
        asks = [asyncio.create_task(bench.keeper.renew()) for _ in range(3)]
        assert await asyncio.gather(*asks) == [True] * 3
        assert (bench.source.asked, bench.value) == (2, "token-2")


async def test_a_token_that_is_always_refused_is_replaced_at_intervals() -> None:
    async with running(Bench()) as bench:
        assert await bench.keeper.renew()
        await bench.clock.advance(RENEW_EVERY_S - 1)
        assert not await bench.keeper.renew()
        assert bench.source.asked == 2
        await bench.clock.advance(1)
        assert await bench.keeper.renew()
        assert bench.source.asked == 3


async def test_a_source_that_fails_is_not_asked_out_of_turn() -> None:
    async with running(Bench(life_s=600)) as bench:
        bench.source.error = TokenUnavailable("away", retry_after_s=1000)
        assert await bench.keeper.renew()
        asked = bench.source.asked
        await bench.clock.advance(RENEW_EVERY_S)
        assert not await bench.keeper.renew()
        assert (bench.source.asked, bench.value) == (asked, "token-1")


async def test_a_source_that_refuses_is_asked_again_when_told() -> None:
    bench = Bench()
    bench.source.error = TokenDenied("the secret is not set")
    async with running(bench):
        bench.source.error = None
        await bench.clock.advance(2)
        assert (bench.source.asked, bench.value) == (1, "")
        async with asyncio.timeout(20):
            await bench.keeper.retry().wait()
        assert (bench.value, bench.keeper.problem) == ("token-2", "")
        assert bench.keeper.retry().is_set(), "it refuses nothing now"
        await settle()
        assert bench.source.asked == 2


async def test_a_source_that_is_away_is_not_asked_again_when_told() -> None:
    bench = Bench()
    bench.source.error = TokenUnavailable("away", retry_after_s=1000)
    async with running(bench):
        assert bench.keeper.retry().is_set()
        await settle()
        assert bench.source.asked == 1


async def test_nobody_waits_for_a_keeper_that_ends() -> None:
    bench = Bench()
    async with running(bench):
        silent = asyncio.Event()
        bench.source.fetch = silent.wait  # type: ignore[assignment,method-assign]
        asked = asyncio.create_task(bench.keeper.renew())
        await settle()
        assert not asked.done()
    async with asyncio.timeout(20):
        await asked


async def test_a_renewal_is_followed_by_the_usual_pace() -> None:
    async with running(Bench()) as bench:
        await bench.clock.advance(1800)
        await bench.keeper.renew()
        await bench.clock.advance(3600 - 360 * 1.2 - 1)
        assert bench.source.asked == 2
        await bench.clock.advance(360 * 0.2 + 1 + TICK_S)
        assert bench.source.asked == 3


async def test_a_source_that_keeps_its_token_is_told_that_it_was_refused() -> None:
    class Keeping(ScriptedSource):
        is_refused = ""

        def refused(self, value: Secret) -> None:
            self.is_refused = value.reveal()

    bench = Bench()
    source = Keeping(bench.clock)
    bench.source = source
    bench.keeper = TokenKeeper("idp", source, bench._changed, clock=bench.clock, rng=Random(1))
    async with running(bench):
        await bench.keeper.renew()
        assert (source.is_refused, bench.value) == ("token-1", "token-2")
