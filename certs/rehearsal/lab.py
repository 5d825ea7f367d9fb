"""Takes the machines of a rehearsal through its steps, with requests all the while."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.rehearsal.actor import Actor
from certs.rehearsal.obstruction import ObstructedSource
from certs.rehearsal.plan import (
    AuthorityChange,
    ClockError,
    FirstIdentity,
    OutageOf,
    Outcome,
    Part,
    Renewals,
    SleepOf,
    Step,
    title,
)
from certs.rehearsal.timeline import Timeline

# A recovery that needs nobody comes with the next attempts, at most a minute apart.
_RECOVERY_S: Final = 300.0
_BEFORE_RENEWAL_S: Final = 0.5
_REQUESTS_A_LIFE: Final = 20
_LEAST_BETWEEN_S: Final = 0.25

EnterPhase = Callable[[str], Awaitable[None]]
HandOut = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    failed: int = 0
    longest_wait_s: float = 0.0
    failing_since: datetime | None = None
    failed_s: float = 0.0
    why: str = ""
    hint: str = ""

    def blame(self, why: str, hint: str) -> None:
        if not self.why:
            self.why, self.hint = why, hint


class Lab:
    """The gateway, an upstream where there is one, and the sources that can be taken away.

    Args:
        sources: those of the gateway, in their order.
        request_wait_s: how long a request waits for a certificate.
        enter_phase: leads the authority's rotation on.
        hand_out: gives the sources fresh credentials, as somebody would after a step that left the
            gateway without an identity: so each step is judged alone.
        tell: hears of the progress, now and then.
    """

    def __init__(  # noqa: PLR0913 - each part of the scene
        self,
        timeline: Timeline,
        *,
        part: Part,
        gateway: Actor,
        upstream: Actor | None,
        sources: Sequence[ObstructedSource],
        request_wait_s: float,
        enter_phase: EnterPhase | None = None,
        hand_out: HandOut | None = None,
        tell: Callable[[str], None] = lambda _detail: None,
    ) -> None:
        self._timeline = timeline
        self._part: Part = part
        self._gateway = gateway
        self._upstream = upstream
        self._sources = sources
        self._request_wait_s = request_wait_s
        self._enter_phase = enter_phase
        self._hand_out = hand_out
        self._tell = tell
        self._tally = _Tally()
        self._before: dict[str, int] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the rotations in the block."""
        actors = [self._gateway, *([self._upstream] if self._upstream else [])]
        for actor in actors:
            self._timeline.inhabit(actor.machine)
        tasks = [asyncio.create_task(actor.rotation.run()) for actor in actors]
        try:
            await self._timeline.rest()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def certificate_life(self) -> timedelta:
        """Of the gateway's present certificate, from when it came. Its end is a whole second."""
        return timedelta(seconds=math.ceil(self._life_s()))

    async def go_through(self, step: Step) -> Outcome:
        """Take one step, and say what came of it."""
        tally = self._tally = _Tally()
        began, before = self._timeline.now(), self._before
        await self._take(step)
        after = self._before = self._gateway.rotation.state.renewals
        slowest_s = max(source.slowest_s for source in self._sources)
        if slowest_s > self._request_wait_s:
            tally.blame(
                f"a reply took {slowest_s:.1f} s, and a request waits {self._request_wait_s:.0f} s",
                "the first requests after a sleep that outlasts the certificate fail",
            )
        made = {kind: count - before.get(kind, 0) for kind, count in after.items()}
        for source in self._sources:
            source.slowest_s = 0.0
        self._end_failure()
        outcome = Outcome(
            part=self._part,
            step=title(step),
            passed=self._timeline.now() - began,
            renewals=made.get("ok", 0),
            failed_renewals=sum(count for kind, count in made.items() if kind != "ok"),
            requests=tally.requests,
            failed_requests=tally.failed,
            longest_wait_s=tally.longest_wait_s,
            failed_s=tally.failed_s,
            slowest_reply_s=slowest_s,
            why=tally.why,
            hint=tally.hint,
        )
        await self._set_right()
        return outcome

    async def _set_right(self) -> None:
        """Get a gateway that lost its identity for good another one."""
        if self._gateway.generation is not None or self._hand_out is None:
            return
        await self._hand_out()
        self._gateway.rotation.refresh("there is a new credential")
        await self._begin()
        self._before = self._gateway.rotation.state.renewals
        for source in self._sources:
            source.slowest_s = 0.0

    async def _take(self, step: Step) -> None:
        match step:
            case FirstIdentity():
                await self._begin()
            case Renewals():
                await self._renew(step.count)
            case OutageOf():
                await self._outage(step)
            case SleepOf():
                await self._until_renewal()
                await self._timeline.suspend(self._gateway.machine, step.span.total_seconds())
                await self._request()
                await self._recover()
            case ClockError():
                self._gateway.machine.error = step.error
                await self._pass(self._life_s())
                self._gateway.machine.error = timedelta(0)
                await self._recover()
            case AuthorityChange():
                await self._change_authority(step)

    # Steps

    async def _begin(self) -> None:
        end = self._timeline.now() + timedelta(seconds=_RECOVERY_S)
        while self._gateway.generation is None and self._timeline.now() < end:
            await self._timeline.advance(_LEAST_BETWEEN_S)
        state = self._gateway.rotation.state
        if self._gateway.generation is None:
            self._tally.blame(state.reason, state.last_error_hint)

    async def _renew(self, count: int) -> None:
        """Until so many renewals are made; a failed one has to be made up for by another."""
        wanted = self._renewed() + count
        end = self._timeline.now() + timedelta(seconds=self._life_s() * (count + 1) + _RECOVERY_S)
        while self._renewed() < wanted and self._timeline.now() < end:
            await self._pass(self._interval_s())
        if (made := self._renewed()) < wanted:
            state = self._gateway.rotation.state
            missing = f"{wanted - made} of {count} renewals were not made"
            why = f"{missing}: {state.last_error}" if state.last_error else missing
            self._tally.blame(why, state.last_error_hint)

    async def _outage(self, step: OutageOf) -> None:
        await self._until_renewal()
        away = self._sources if step.is_whole else self._sources[:1]
        for source in away:
            source.outage = step.kind
        await self._pass(step.span.total_seconds())
        for source in away:
            source.outage = ""
        await self._recover()

    async def _change_authority(self, step: AuthorityChange) -> None:
        if self._enter_phase is None:
            raise ValueError("this rehearsal has no authority of its own")
        await self._enter_phase(step.phase)
        await self._timeline.rest()
        await self._pass(step.hold.total_seconds())

    async def _until_renewal(self) -> None:
        due = self._gateway.rotation.state.next_attempt
        if due is not None:
            left = due - self._gateway.machine.now()
            await self._pass(left.total_seconds() - _BEFORE_RENEWAL_S)

    async def _recover(self) -> None:
        """Until all is well again without anybody's help."""
        end = self._timeline.now() + timedelta(seconds=_RECOVERY_S)
        while not self._gateway.is_well and self._timeline.now() < end:
            await self._pass(self._interval_s())
        state = self._gateway.rotation.state
        if not self._gateway.is_well:
            self._tally.blame(
                state.reason or f"the renewal still fails: {state.last_error}",
                state.last_error_hint,
            )

    # Requests

    async def _pass(self, seconds: float) -> None:
        """Let time pass, with requests all the while."""
        end = self._timeline.now() + timedelta(seconds=seconds)
        while (left_s := (end - self._timeline.now()).total_seconds()) > 0:
            await self._timeline.advance(min(self._interval_s(), left_s))
            await self._request()
            self._tell(f"{self._renewed()} renewals, {self._tally.requests} requests")

    async def _request(self) -> None:
        began = self._timeline.now()
        self._tally.requests += 1
        if self._gateway.generation is None:
            self._gateway.rotation.refresh("a request needs an identity")
            await self._await_identity()
        if why := self._refusal():
            self._tally.failed += 1
            self._tally.failing_since = self._tally.failing_since or began
            self._tally.blame(why, self._gateway.rotation.state.last_error_hint)
            return
        self._end_failure()
        waited_s = (self._timeline.now() - began).total_seconds()
        self._tally.longest_wait_s = max(self._tally.longest_wait_s, waited_s)

    async def _await_identity(self) -> None:
        end = self._timeline.now() + timedelta(seconds=self._request_wait_s)
        await self._timeline.rest()
        while self._gateway.generation is None and self._timeline.now() < end:
            await self._timeline.advance(_LEAST_BETWEEN_S)

    def _refusal(self) -> str:
        if self._upstream is None:
            has_one = self._gateway.generation is not None
            return "" if has_one else self._gateway.rotation.state.reason
        return self._upstream.refusal_of(self._gateway) or self._gateway.refusal_of(self._upstream)

    def _end_failure(self) -> None:
        since, self._tally.failing_since = self._tally.failing_since, None
        if since is not None:
            self._tally.failed_s += (self._timeline.now() - since).total_seconds()

    # Facts

    def _renewed(self) -> int:
        return self._gateway.rotation.state.renewals.get("ok", 0)

    def _life_s(self) -> float:
        state = self._gateway.rotation.state
        if state.generation is None or state.since is None:
            return _RECOVERY_S
        return max(1.0, (state.generation.not_after - state.since).total_seconds())

    def _interval_s(self) -> float:
        return max(_LEAST_BETWEEN_S, self._life_s() / _REQUESTS_A_LIFE)
