"""The generation counter in the real issuer, under any interleaving of renewals, lost replies,
crashes of either side, copies, and states that come back from a backup.

A machine of three: the issuer with its file, one workload that may be copied, and a bystander of
the same name and token. The issuer really dies: what it hadn't committed is gone, and it is opened
again from its file. What nobody may ever see: an honest workload that is locked although nobody has
copied it, two holders of one identity who both go on, and a bystander who notices anything.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from certs import csr, keys
from certs.issuer.audit import AuditFile, Event
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.limits import Limits, Rates
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from identity.secret_stores.base import Secret
from tests.fakes.issuer import ManualClock, leaf_der, make_issuer, new_token
from tests.fakes.memory_folder import memory_folder
from tests.property.effort import effort

# Most go well, or two holders would seldom come far enough to meet.
OUTCOMES = (*("kept",) * 5, "reply lost", "request lost", "died before keeping")
PLENTY = Rates(address=10**6, instance=10**6, token=10**6)
DEATHS = ("between requests", "before the commit", "before the audit line", "after the audit line")


class Died(BaseException):
    """The issuer's process ends here."""


@dataclass
class Holder:
    """One process that has an identity; `waiting` is the key of an unanswered request.

    `kept` counts the certificates that it got and kept since the last copy was made, `attempts`
    the requests that reached the issuer since both had kept one.
    """

    issued: Issued
    waiting: keys.PrivateKey | None = None
    kept: int = 0
    attempts: int = 0
    has_used: bool = False
    before: Issued | None = None


@dataclass
class Machine:
    """The issuer's process and its disk."""

    folder: Path
    clock: ManualClock
    opened: OpenedIssuer = field(init=False)

    def start(self) -> None:
        # No time passes here, and who asks often is another test's matter.
        self.opened = open_issuer(self.folder, limits=Limits(PLENTY))

    def stop(self) -> None:
        self.opened.service.close()

    def renew(self, holder: Holder, key: keys.PrivateKey) -> Issued:
        return self.opened.service.renew(
            leaf_der(holder.issued), csr.build(key), peer="", now=self.clock.now()
        )

    def join(self, token: Secret, key: keys.PrivateKey) -> Issued:
        return self.opened.service.join(token, csr.build(key), peer="", now=self.clock.now())

    def locked(self) -> set[str]:
        return {lock.target.name for lock in self.opened.locking.locks(self.clock.now())}

    @contextmanager
    def dying(self, when: str) -> Iterator[None]:
        """End the process in the middle of the operation in the block, and start it again."""
        service = self.opened.service
        audit = service._audit
        if when == "before the commit":
            service._store._db.set_authorizer(_no_commit)
        else:
            service._audit = _LastLine(audit, writes=when == "after the audit line")
        with suppress(Died, Refused):
            yield
        service._store._db.set_authorizer(None)
        service._store.close()
        audit.close()
        self.start()

    def back_up(self, to: Path) -> None:
        with sqlite3.connect(to) as copy:
            self.opened.service._store._db.backup(copy)
        copy.close()

    def restore(self, backup: Path) -> None:
        self.stop()
        for name in ("state.db-wal", "state.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.copyfile(backup, self.folder / "state.db")
        self.start()


class _LastLine(AuditFile):
    """The process ends around the next line."""

    def __init__(self, real: AuditFile, *, writes: bool) -> None:
        self._real = real
        self._writes = writes

    def append(self, event: Event, now: object) -> None:
        if self._writes:
            self._real.append(event, now)  # type: ignore[arg-type]
        raise Died


def _no_commit(action: int, argument: str | None, *_: object) -> int:
    is_commit = action == sqlite3.SQLITE_TRANSACTION and argument == "COMMIT"
    return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK


class Lineages(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self) -> None:
        self._cleanup = ExitStack()
        self._home = self._cleanup.enter_context(memory_folder())
        clock = ManualClock()
        make_issuer(self._home / "issuer", clock).close()
        self._issuer = Machine(self._home / "issuer", clock)
        self._issuer.start()
        self._token = new_token(self._issuer.opened.service, clock, uses=100)
        self._honest = self._joined()
        self._bystander = self._joined()
        self._thief: Holder | None = None
        self._has_backup = False
        self._may_be_locked: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "_issuer"):
            self._issuer.stop()
            self._cleanup.close()

    @rule(outcome=st.sampled_from(OUTCOMES))
    def honest_moves(self, outcome: str) -> None:
        if self._move(self._honest, outcome) is Code.CERTIFICATE_UNKNOWN:
            self.honest_joins_again()

    @precondition(lambda self: self._thief is not None)
    @rule(outcome=st.sampled_from(OUTCOMES))
    def thief_moves(self, outcome: str) -> None:
        assert self._thief is not None
        self._move(self._thief, outcome)

    @rule(outcome=st.sampled_from(OUTCOMES))
    def bystander_moves(self, outcome: str) -> None:
        result = self._move(self._bystander, outcome)
        if result is Code.CERTIFICATE_UNKNOWN:
            self._bystander = self._joined()
        else:
            assert result is None

    @rule(when=st.sampled_from(DEATHS))
    def issuer_dies(self, when: str) -> None:
        """While it answers the honest one, who asks again later."""
        if when == "between requests":
            self._issuer.stop()
            self._issuer.start()
            return
        holder = self._honest
        holder.waiting = holder.waiting or keys.generate()
        with self._issuer.dying(when):
            self._issuer.renew(holder, holder.waiting)
        if when != "before the commit":
            self._reached(holder)

    @precondition(lambda self: self._thief is None)
    @rule()
    def copied(self) -> None:
        self._thief = Holder(self._honest.issued)
        self._honest.kept = self._honest.attempts = 0
        self._may_be_locked.add(self._honest.issued.instance)

    @precondition(lambda self: self._thief is None and self._honest.before is not None)
    @rule()
    def machine_is_set_back(self) -> None:
        """To what it had before its last certificate: a copy, once that one has been used."""
        honest = self._honest
        assert honest.before is not None
        if honest.has_used:
            self._may_be_locked.add(honest.issued.instance)
        self._honest = Holder(honest.before)

    @rule()
    def backed_up(self) -> None:
        self._issuer.back_up(self._home / "backup.db")
        self._has_backup = True

    @precondition(lambda self: self._has_backup)
    @rule()
    def issuer_is_set_back(self) -> None:
        """Its memory ends with the backup: newer certificates are unknown, and nobody is locked."""
        self._issuer.restore(self._home / "backup.db")
        for holder in (self._honest, self._thief):
            if holder is not None:
                holder.kept = holder.attempts = 0

    @precondition(lambda self: self._honest.issued.instance in self._issuer.locked())
    @rule()
    def honest_joins_again(self) -> None:
        self._honest, self._thief = self._joined(), None

    @invariant()
    def only_what_was_copied_is_locked(self) -> None:
        if hasattr(self, "_issuer"):
            assert self._issuer.locked() <= self._may_be_locked

    @invariant()
    def two_holders_never_both_go_on(self) -> None:
        """Once both have got a certificate, the next moves of both are enough to find them out."""
        if not hasattr(self, "_issuer") or self._thief is None:
            return
        assert min(self._honest.kept, self._thief.kept) < 2
        if min(self._honest.attempts, self._thief.attempts) >= 1:
            assert self._honest.issued.instance in self._issuer.locked()

    def _joined(self) -> Holder:
        return Holder(self._issuer.join(self._token, keys.generate()))

    def _reached(self, holder: Holder) -> None:
        """A request of the holder was judged by the issuer."""
        holder.has_used = True
        if self._thief is not None and min(self._honest.kept, self._thief.kept) >= 1:
            holder.attempts += 1

    def _move(self, holder: Holder, outcome: str) -> Code | None:
        """One request for a renewal; the code if it was refused."""
        key = holder.waiting = holder.waiting or keys.generate()
        if outcome == "request lost":
            return None
        try:
            issued = self._issuer.renew(holder, key)
        except Refused as refused:
            if refused.code is not Code.CERTIFICATE_UNKNOWN:
                self._reached(holder)
            return refused.code
        self._reached(holder)
        if outcome == "kept":
            holder.before, holder.issued, holder.waiting = holder.issued, issued, None
            holder.kept += 1
            holder.has_used = False
        elif outcome == "died before keeping":
            holder.waiting = None
        return None


TestLineages = Lineages.TestCase
TestLineages.settings = settings(effort(60), stateful_step_count=40)
