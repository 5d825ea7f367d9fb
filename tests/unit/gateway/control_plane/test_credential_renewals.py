from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.control_plane.credential_renewals import CredentialRenewals, Renewal
from tests.fakes.clock import settle


class Bench:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.outcome: Renewal = "renewed"
        self.done: list[str] = []
        self.paper: list[tuple[str, dict[str, str]]] = []
        self.renewals = CredentialRenewals(self._renew, self.done.append, self._put)

    async def _renew(self, route: str) -> Renewal:
        self.asked.append(route)
        await self.may_answer.wait()
        return self.outcome

    def _put(self, action: str, **more: Any) -> None:
        self.paper.append((action, more))


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.renewals.run())
    yield bench
    task.cancel()
    await asyncio.wait([task])


async def test_however_many_ask_it_is_done_once_and_told_behind() -> None:
    async with running() as bench:
        for _ in range(3):
            bench.renewals.want("planner")
            await settle()
        assert (bench.asked, bench.done) == (["planner"], [])
        bench.may_answer.set()
        await settle()
        assert bench.done == ["planner"]
        bench.renewals.want("planner")
        await settle()
        assert bench.asked == ["planner", "planner"]


async def test_no_route_waits_for_another() -> None:
    async with running() as bench:
        bench.renewals.want("planner")
        bench.renewals.want("writer")
        await settle()
        assert bench.asked == ["planner", "writer"]


@pytest.mark.parametrize(("outcome", "told"), [("renewed", "ok"), ("unchanged", "failed")])
async def test_what_came_of_it_is_on_paper(outcome: Renewal, told: str) -> None:
    async with running() as bench:
        bench.may_answer.set()
        bench.outcome = outcome
        bench.renewals.want("planner")
        await settle()
        ((action, more),) = bench.paper
        assert (action, more["outcome"], more["name"]) == ("route.refused", told, "planner")


async def test_what_was_not_tried_is_answered_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as bench:
        bench.may_answer.set()
        bench.outcome = "too soon"
        bench.renewals.want("planner")
        await settle()
        assert (bench.done, bench.paper, caplog.records) == (["planner"], [], [])
