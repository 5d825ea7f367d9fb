"""The generation counter under any interleaving of renewals, losses, crashes and a copy.

The model: an honest holder, perhaps a thief who copied its identity at some moment, and the issuer.
A move is one renewal request; its reply may be lost on the way, or the holder may die before it
keeps the reply and ask again with another key.
"""

from __future__ import annotations

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from certs.issuer.generation import Lineage, Link, Verdict, first, present


class Holder:
    """One process that holds an identity: its link, and the key of an unanswered request."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.waiting_key: str | None = None
        self.successes = 0


class Issuer:
    """What is on the issuer's disk."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.is_locked = False

    def renew(self, holder: Link, key: str) -> Link | Verdict:
        if self.is_locked:
            return Verdict.MISMATCH
        decision = present(self.lineage, holder, key)
        self.lineage = decision.lineage
        self.is_locked = decision.verdict is Verdict.MISMATCH
        return decision.link or decision.verdict


class CopiedIdentity(RuleBasedStateMachine):
    """Nobody alone is ever locked; two are always told apart."""

    @initialize()
    def join(self) -> None:
        self._keys = (f"key{number}" for number in count(1))
        key = next(self._keys)
        self._issuer = Issuer(first(key))
        self._honest = Holder(Link(1, key))
        self._thief: Holder | None = None

    @rule(outcome=st.sampled_from(["kept", "reply lost", "request lost", "died before keeping"]))
    def honest_moves(self, outcome: str) -> None:
        self._move(self._honest, outcome)

    @precondition(lambda self: self._thief is None)
    @rule()
    def copied(self) -> None:
        self._thief = Holder(self._honest.link)
        self._honest.successes = 0

    @precondition(lambda self: self._thief is not None)
    @rule(outcome=st.sampled_from(["kept", "reply lost"]))
    def thief_moves(self, outcome: str) -> None:
        assert self._thief is not None
        self._move(self._thief, outcome)

    @precondition(lambda self: self._thief is None)
    @rule()
    def issuer_dies_before_commit(self) -> None:
        """It decided and signed, and nothing reached the disk or the holder."""
        key = self._honest.waiting_key or next(self._keys)
        self._honest.waiting_key = key
        present(self._issuer.lineage, self._honest.link, key)

    @precondition(lambda self: self._thief is None and self._honest.link.generation > 1)
    @rule()
    def late_copy_of_an_answered_request(self) -> None:
        before = self._issuer.lineage
        old = Link(self._honest.link.generation - 1, "the key before")
        if before.confirmed == self._honest.link:
            assert self._issuer.renew(old, self._honest.link.key) is Verdict.KEY_REUSED
        assert self._issuer.lineage == before

    @invariant()
    def one_holder_alone_is_never_locked(self) -> None:
        if self._thief is None:
            assert not self._issuer.is_locked

    @invariant()
    def two_holders_never_both_go_on(self) -> None:
        """From the copy on, a second success of one makes the other's next move a lock."""
        if self._thief is None:
            return
        moved_twice = min(self._honest.successes, self._thief.successes) >= 2
        assert not moved_twice or self._issuer.is_locked

    def _move(self, holder: Holder, outcome: str) -> None:
        key = holder.waiting_key = holder.waiting_key or next(self._keys)
        if outcome == "request lost":
            return
        answer = self._issuer.renew(holder.link, key)
        if isinstance(answer, Verdict):
            assert answer is not Verdict.KEY_REUSED
            return
        if outcome == "kept":
            holder.link, holder.waiting_key = answer, None
            holder.successes += 1
        elif outcome == "died before keeping":
            holder.waiting_key = None


TestCopiedIdentity = CopiedIdentity.TestCase
# What two holders can do to each other shows within a few moves.
TestCopiedIdentity.settings = settings(
    TestCopiedIdentity.settings, max_examples=200, stateful_step_count=15
)
