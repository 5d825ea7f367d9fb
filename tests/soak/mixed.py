"""Everything at once through a worker, under constant renewal."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.soak.plan import Plan
from tests.soak.result import Result
from tests.soak.subject import Subject
from tests.soak.traffic import Traffic

_MOST_GROWTH = 4 << 20
#: A certificate lives for so many renewals, and what must not be cut for half of that at most.
_LIVES = 8
_LONG = 3


def run(plan: Plan) -> Result:
    """Keep-alive requests, event streams, WebSockets, bodies up and down, and raw bytes."""
    authority = Authority()
    server = authority.issue("localhost", ends=timedelta(seconds=plan.seconds + 3600))
    with (
        AgentServer(server_context(server, authority)) as agent,
        Subject(authority, agent.port, life_s=_LIVES * plan.every_s) as subject,
    ):
        result = Result(name="mixed traffic")
        before = subject.sample().descriptors
        asyncio.run(_loaded(subject, result, plan))
        subject.settle()
        result.descriptors = (before, subject.sample().descriptors)
        _conclude(subject, result)
        result.judge(most_growth=_MOST_GROWTH)
    return result


async def _loaded(subject: Subject, result: Result, plan: Plan) -> None:
    traffic = Traffic(result, http=subject.http, raw=subject.raw, long_s=_LONG * plan.every_s)
    ended = asyncio.Event()
    running = asyncio.create_task(traffic.run(ended))
    await asyncio.to_thread(subject.work, result, plan)
    ended.set()
    await running


def _conclude(subject: Subject, result: Result) -> None:
    for generation in sorted(subject.overdue):
        result.problems.append(f"a connection of generation {generation} outlived its certificate")
    # What the clients saw and what the worker says of it have to agree.
    failures = subject.failures()
    cut = failures.pop("certificate_ended", 0)
    if failures:
        result.problems.append(f"the worker tells of failures: {failures}")
    if cut > result.counts.get("streams ended by their certificate", 0):
        result.problems.append(f"{cut} exchanges were cut by their certificate's end")
