"""Revocation lists that come with an identity: when they are asked for, and what they bring."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from certs.errors import CertsError, ReplyRejected, SourceUnavailable
from certs.followed_lists import FollowedLists
from certs.generation import Generation
from certs.issuer import ca, crl
from certs.issuer.locks import Reason
from certs.issuer.tables.locks import Revocation
from certs.sources.base import FoundLists
from tests.fakes.clock import START, FakeClock, settle
from tests.fakes.feeds import generation

AUTHORITY = ca.make(trust_domain="acme.example", now=START, random=os.urandom).authority
OURS = replace(generation(), source="issuer")


def lists(*serials: str, number: int = 1) -> FoundLists:
    entries = [Revocation(serial=it, reason=Reason.HOLD, revoked=START) for it in serials]
    return FoundLists(pem=crl.sign(AUTHORITY, entries, number=number, now=START), tag=f"{number}")


class Source:
    """Gives what it is told to; `kept_s` says for how long it lets us wait for it."""

    def __init__(self, clock: FakeClock) -> None:
        self.answer: FoundLists | CertsError | Exception | None = lists()
        self.known: list[FoundLists | None] = []
        self.asked_at: list[float] = []
        self.kept_s = 0.0
        self._clock = clock

    async def revocation_lists(
        self, current: Generation, known: FoundLists | None
    ) -> FoundLists | None:
        self.known.append(known)
        self.asked_at.append((self._clock.now() - START).total_seconds())
        if self.kept_s:
            await self._clock.sleep(self.kept_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.source = Source(self.clock)
        self.changes = 0
        self.concerns: list[str] = []
        self.followed = FollowedLists(
            self.source,
            clock=self.clock,
            rng=random.Random(1),
            changed=self._change,
            concerned=self.concerns.append,
        )

    def _change(self) -> None:
        self.changes += 1

    @property
    def asked(self) -> int:
        return len(self.source.asked_at)


@asynccontextmanager
async def following() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.followed.run())
    await settle()
    try:
        yield bench
        assert not task.done(), "the task must live on"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_asked_before_there_is_an_identity() -> None:
    async with following() as bench:
        await bench.clock.advance(3600)
        assert (bench.asked, bench.followed.text) == (0, "")


async def test_lists_come_with_the_first_identity() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        assert isinstance(bench.source.answer, FoundLists)
        assert bench.followed.text == bench.source.answer.pem.decode()
        assert (bench.asked, bench.changes) == (1, 1)
        assert bench.followed.problem(bench.clock.now()) == ""
        assert bench.followed.ends_at == START.replace(microsecond=0) + crl.LIFE


async def test_the_source_is_told_what_is_known_and_may_keep_us_waiting() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        first = bench.source.answer
        bench.source.kept_s = 20
        await bench.clock.advance(1.6)
        assert bench.source.known == [None, first]
        await bench.clock.advance(60)
        assert 3 <= bench.asked <= 5  # each kept for 20 s, with a second or so in between
        assert bench.changes == 1


async def test_a_source_that_doesnt_keep_us_is_not_asked_in_a_loop() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await bench.clock.advance(150)
        assert 7 <= bench.asked <= 22


async def test_other_lists_are_taken_in() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        before = bench.followed.text
        bench.source.answer = lists("abc", number=2)
        await bench.clock.advance(30)
        assert bench.followed.text not in {"", before}
        assert bench.changes == 2
        assert bench.concerns == []


async def test_our_own_certificate_on_a_list_and_off_it_is_told_once_each() -> None:
    async with following() as bench:
        bench.source.answer = lists(OURS.serial, number=2)
        bench.followed.use(OURS)
        await bench.clock.advance(60)
        (on,) = bench.concerns
        assert "is on the issuer's revocation list" in on
        bench.source.answer = lists(number=3)
        await bench.clock.advance(60)
        assert len(bench.concerns) == 2
        assert "is off the issuer's revocation list" in bench.concerns[1]


async def test_a_renewed_certificate_has_nothing_to_do_with_the_listed_one() -> None:
    async with following() as bench:
        bench.source.answer = lists(OURS.serial)
        bench.followed.use(OURS)
        await bench.clock.advance(1)
        bench.followed.use(replace(OURS, serial="beef"))
        await bench.clock.advance(60)
        assert len(bench.concerns) == 1


async def test_a_failure_leaves_the_last_good_lists_and_is_told() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        text = bench.followed.text
        bench.source.answer = ReplyRejected("crl: there is no revocation list in PEM")
        await bench.clock.advance(600)
        assert bench.followed.text == text
        assert bench.followed.problem(bench.clock.now()).startswith("crl: there is no")
        assert bench.asked < 30
        bench.source.answer = lists()
        await bench.clock.advance(60)
        assert bench.followed.problem(bench.clock.now()) == ""


async def test_an_issuer_that_is_away_is_told_when_its_lists_come_to_their_end() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        bench.source.answer = SourceUnavailable("crl: the issuer can't be reached")
        await bench.clock.advance(60)
        now = bench.clock.now()
        assert bench.followed.problem(now) == ""
        assert bench.followed.problem(now + timedelta(hours=26)).endswith("can't be reached")


async def test_an_issuer_that_is_away_before_there_are_lists_is_told_at_once() -> None:
    async with following() as bench:
        bench.source.answer = SourceUnavailable("crl: the issuer can't be reached")
        bench.followed.use(OURS)
        await settle()
        assert bench.followed.problem(bench.clock.now()).endswith("can't be reached")


async def test_a_defect_of_the_source_ends_nothing() -> None:
    async with following() as bench:
        bench.source.answer = ZeroDivisionError()
        bench.followed.use(OURS)
        await bench.clock.advance(10)
        assert "defect" in bench.followed.problem(bench.clock.now())
        bench.source.answer = lists()
        await bench.clock.advance(60)
        assert bench.followed.text != ""


async def test_a_source_without_lists_is_asked_now_and_then() -> None:
    async with following() as bench:
        bench.source.answer = None
        bench.followed.use(OURS)
        await bench.clock.advance(1199)
        assert (bench.asked, bench.followed.text) == (2, "")


async def test_an_identity_of_another_source_doesnt_go_by_these_lists() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        bench.source.answer = None
        bench.followed.use(replace(OURS, source="files"))
        assert bench.followed.text == ""
        await settle()
        assert bench.source.known[-1] is None
        assert bench.followed.text == ""


async def test_lists_that_ran_out_are_told() -> None:
    async with following() as bench:
        bench.followed.use(OURS)
        await settle()
        later = bench.clock.now() + crl.LIFE + timedelta(seconds=1)
        assert "has expired" in bench.followed.problem(later)
