"""Everything at once through a worker, or through two back to back, under constant renewal."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import timedelta

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.soak.plan import Plan
from tests.soak.quiet import log_level
from tests.soak.result import Result
from tests.soak.subject import Subject
from tests.soak.traffic import ENDLESS, Traffic

_MOST_GROWTH = 4 << 20
#: A certificate lives for so many renewals, and what must not be cut is meant to take so many: on a
#: busy machine it takes longer.
_LIVES = 12
_LONG = 3
#: What a stream that its certificate ends is counted as: by the worker whose certificate it was,
#: and by the one that saw it cut by the other.
_ENDED = ("certificate_ended", "upstream_closed")


def alone(plan: Plan) -> Result:
    """Keep-alive requests, event streams, WebSockets, bodies up and down, and raw bytes."""
    authority = Authority()
    server = authority.issue("localhost", ends=timedelta(seconds=plan.seconds + 3600))
    context = server_context(server, authority)
    return _run(Result(name="mixed traffic"), plan, authority, context)


def back_to_back(plan: Plan) -> Result:
    """The same from one gateway to the ingress of another, both of which renew."""
    return _run(Result(name="gateway to gateway"), plan, Authority(), None)


def _run(
    result: Result, plan: Plan, authority: Authority, context: ssl.SSLContext | None
) -> Result:
    life_s = _LIVES * plan.every_s
    with (
        # Of streams that are cut on purpose the server would tell at length.
        log_level("aiohttp.server", logging.CRITICAL),
        AgentServer(context) as agent,
        Subject(authority, agent.port, life_s=life_s, pair=context is None) as subject,
    ):
        before = subject.descriptors()
        asyncio.run(_loaded(subject, result, plan))
        result.descriptors = (before, subject.settle(before))
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
    # What the clients saw and what the workers say of it have to agree.
    failures = subject.failures()
    cut = sum(failures.pop(reason, 0) for reason in _ENDED)
    if failures:
        result.problems.append(f"the workers tell of failures: {failures}")
    if cut > result.counts.get(ENDLESS, 0) * len(_ENDED):
        result.problems.append(f"{cut} exchanges were cut by a certificate's end")
