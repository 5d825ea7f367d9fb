"""The rotation of the issuer's authority under any order of steps, issues and waits.

The model: every certificate that was ever issued, with the authority that signed it; and workloads
that heard of the bundle in the phase before. Whatever the order, nobody meets a good certificate
that the bundle of the moment doesn't cover.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from certs.issuer import ca_rotation
from certs.issuer.ca_rotation import NEXT, InvalidStep, Phase, Rotation

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFE = timedelta(hours=1)


class AnyOrder(RuleBasedStateMachine):
    """Steps, also wrong ones, between issues and waits."""

    @initialize()
    def begin(self) -> None:
        self._now = START
        self._rotation = Rotation(since=START)
        self._issued: list[tuple[int, datetime]] = []
        self._numbers = {1}

    @rule(phase=st.sampled_from(Phase), passed=st.integers(0, 90))
    def step(self, phase: Phase, passed: int) -> None:
        self._pass(passed)
        before = self._rotation
        try:
            after = ca_rotation.enter(before, phase, now=self._now, signed_until=self._last_end())
        except InvalidStep:
            assert NEXT[before.phase] is not phase
            return
        if phase is Phase.INIT:
            assert after.new not in self._numbers, "a number is used twice"
            self._numbers.add(after.new or 0)
        self._took(after)

    @rule(grace=st.integers(1, 3600), passed=st.integers(0, 90))
    def goes_on_by_itself(self, grace: int, passed: int) -> None:
        paced = ca_rotation.with_grace(self._rotation, timedelta(seconds=grace))
        self._pass(passed)
        phase = ca_rotation.due(paced, self._now)
        if paced.phase is Phase.STANDBY:
            assert phase is None
        if phase is None:
            return
        assert self._now - paced.since >= timedelta(seconds=grace)
        self._took(ca_rotation.enter(paced, phase, now=self._now, signed_until=self._last_end()))

    @rule()
    def issue(self) -> None:
        self._issued.append((self._rotation.workload_signer, self._now + LIFE))

    @rule(passed=st.integers(1, 90))
    def ended_ones_leave(self, passed: int) -> None:
        self._pass(passed)
        self._took(ca_rotation.without_ended(self._rotation, self._now))

    @invariant()
    def every_good_certificate_is_covered(self) -> None:
        trusted = set(self._rotation.trusted)
        for number, end in self._issued:
            assert end <= self._now or number in trusted

    @invariant()
    def signers_are_trusted(self) -> None:
        rotation = self._rotation
        assert {rotation.workload_signer, rotation.server_signer} <= set(rotation.trusted)
        assert rotation.trusted, "an empty bundle revokes everything"

    @invariant()
    def standby_has_one_signer(self) -> None:
        rotation = self._rotation
        if rotation.phase is Phase.STANDBY:
            assert rotation.new is None
            assert rotation.workload_signer == rotation.server_signer == rotation.old
            assert rotation.signed_until is None

    @invariant()
    def what_is_retired_goes_in_the_end(self) -> None:
        later = self._now + 10 * LIFE
        assert not ca_rotation.without_ended(self._rotation, later).retired

    def _took(self, after: Rotation) -> None:
        """A signer was in the bundle for a phase: whoever follows it knows the signer already."""
        before = self._rotation
        signers = {after.workload_signer, after.server_signer}
        assert signers <= set(before.trusted)
        self._rotation = after

    def _pass(self, minutes: int) -> None:
        self._now += timedelta(minutes=minutes)

    def _last_end(self) -> datetime:
        return max((end for _, end in self._issued), default=self._now)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(TestAnyOrder.settings, max_examples=200, stateful_step_count=25)
