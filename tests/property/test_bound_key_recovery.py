"""Bound keys over all interleavings of lost replies, crashes, renewals and a copy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from certs import csr, keys
from certs.issuer.folder import init, open_issuer
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from tests.fakes.bound_key import Holder, public_pem
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, leaf_der
from tests.property.effort import effort

_LOCKING = (Code.JOIN_STATE_MISMATCH, Code.GENERATION_MISMATCH, Code.INSTANCE_LOCKED)


class BoundKeyLife(RuleBasedStateMachine):
    """One honest holder; it keeps each state before it uses the certificate. As long as nobody
    copied it, nothing may ever be refused; once a copy was used, both may not go on for long.
    """

    @initialize()
    def begin(self) -> None:
        # In memory where there is such a place: each step waits for the disk twice.
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        path = Path(self.folder.name) / "issuer"
        self.clock = ManualClock()
        init(path, trust_domain=TRUST_DOMAIN, now=self.clock.now())
        self.opened = open_issuer(path)
        self.holder = Holder(self.opened.joins, "laptop")
        self.opened.rule_book.add(
            RuleWish(
                name="laptop",
                workload="planner",
                terms=BoundKeyTerms(),
                public_key_pem=public_pem(self.holder.key),
            ),
            self.clock.now(),
        )
        self.held: Issued | None = None
        self.copy: Holder | None = None
        self.copied: Issued | None = None
        self.copy_moved = False
        self.is_locked = False

    @rule()
    def join(self) -> None:
        self.held = self.moved(lambda: self.holder.join(self.clock.now()), self.held)

    @rule()
    def join_and_lose_the_reply(self) -> None:
        self.moved(lambda: self.holder.join(self.clock.now(), is_lost=True), None)
        # The process that had the last certificate is the one that asked, and has ended.
        self.held = None

    @rule()
    def join_and_repeat(self) -> None:
        key = keys.generate()
        self.moved(lambda: self.holder.join(self.clock.now(), leaf_key=key, is_lost=True), None)
        self.held = self.moved(lambda: self.holder.join(self.clock.now(), leaf_key=key), self.held)

    @precondition(lambda self: self.held is not None)
    @rule()
    def renew(self) -> None:
        self.held = self.moved(lambda: self.renewed(self.held), self.held)

    @precondition(lambda self: self.held is not None)
    @rule()
    def renew_and_lose_the_reply(self) -> None:
        self.moved(lambda: self.renewed(self.held), None)

    @rule()
    def crash(self) -> None:
        self.held = None

    @rule()
    def time_passes(self) -> None:
        self.clock.pass_by(timedelta(minutes=3))

    @precondition(lambda self: self.copy is None)
    @rule()
    def be_copied(self) -> None:
        self.copy = self.holder.copy()

    @precondition(lambda self: self.copy is not None)
    @rule()
    def the_copy_joins(self) -> None:
        assert self.copy is not None
        thief, self.copy_moved = self.copy, True
        self.copied = self.attempt(lambda: thief.join(self.clock.now())) or self.copied

    @precondition(lambda self: self.copied is not None and not self.is_locked)
    @rule()
    def both_move_twice(self) -> None:
        """Whatever came before: two holders that both go on are found."""
        for _ in range(2):
            self.join()
            self.the_copy_joins()
        assert self.is_locked

    def moved(self, move: Callable[[], Issued], before: Issued | None) -> Issued | None:
        """What the honest holder gets; it is never refused without a copy."""
        got = self.attempt(move)
        assert got is not None or self.copy_moved
        return got or before

    def attempt(self, move: Callable[[], Issued]) -> Issued | None:
        code: Code | None = None
        try:
            return move()
        except Refused as refused:
            code = refused.code
        assert code in _LOCKING
        self.is_locked = True
        return None

    def renewed(self, held: Issued | None) -> Issued:
        assert held is not None
        request = csr.build(keys.generate())
        return self.opened.service.renew(leaf_der(held), request, peer="", now=self.clock.now())

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.opened.service.close()
            self.folder.cleanup()


TestBoundKeyLife = BoundKeyLife.TestCase
TestBoundKeyLife.settings = settings(effort(10), stateful_step_count=20)
