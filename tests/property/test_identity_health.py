"""Whatever happens to a gateway and its issuer, what is said of the identity is true."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from certs import renewal
from certs.errors import ReplyRejected, SourceDenied, SourceUnavailable
from certs.renewal import IdentityState
from certs.rotation import Rotation
from tests.fakes.clock import FakeClock, settle
from tests.fakes.identity_source import FakeSource, Reply
from tests.property.effort import effort

LIFE = timedelta(hours=1)
USABLE = {IdentityState.VALID, IdentityState.RENEWING, IdentityState.DEGRADED}

replies = st.sampled_from(
    [
        LIFE,
        LIFE / 4,
        SourceUnavailable("down"),
        SourceUnavailable("busy", retry_after_s=300),
        SourceDenied("locked"),
        ReplyRejected("for another key"),
    ]
)
events = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1.0, 14.0, 61.0, 900.0])),
    st.tuples(st.just("sleep"), st.sampled_from([60.0, 2400.0, 32_400.0])),
    st.tuples(st.just("ask"), st.just(0.0)),
)


class Subject:
    """A rotation, and what was found wrong with what it says."""

    def __init__(self, script: list[Reply]) -> None:
        self.clock = FakeClock()
        self.source = FakeSource(self.clock, *script, life=LIFE)
        self.rotation = Rotation(
            self.source, clock=self.clock, rng=random.Random(0), publish=lambda _: None
        )

    def check(self) -> None:
        state, now = self.rotation.state, self.clock.now()
        is_usable = state.generation is not None and now < state.generation.not_after
        assert (state.state in USABLE) is is_usable
        # Nobody is told that all is well while the successor is overdue.
        if state.state is IdentityState.VALID and state.generation and state.since:
            assert now < renewal.must_have_at(state.since, state.generation.not_after)
            assert state.last_error == ""
        if not is_usable or state.last_error:
            assert state.reason
        assert state.next_attempt is not None
        assert state.next_attempt <= now + LIFE

    async def live(self, what: list[tuple[str, float]]) -> None:
        task = asyncio.create_task(self.rotation.run())
        await settle()
        self.check()
        for event, seconds in what:
            if event == "pass":
                await self.clock.advance(seconds)
            elif event == "sleep":
                await self.clock.suspend(seconds)
            else:
                self.rotation.refresh("a request asks")
                await settle()
            self.check()
        # And with a good issuer it is well again, without anybody's help.
        self.source.replies.clear()
        await self.clock.advance(301)
        self.check()
        assert self.rotation.state.state is IdentityState.VALID
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@effort(60)
@given(script=st.lists(replies, max_size=6), what=st.lists(events, max_size=8))
def test_what_is_said_is_true_and_all_is_well_again(
    script: list[Reply], what: list[tuple[str, float]]
) -> None:
    asyncio.run(Subject(script).live(what))
