"""The gate in front of what takes a touch of a security key: asked, proven, and on record.

What is approved is shown at the controlling terminal before the key is asked; where nobody could
read it, nothing is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.audit.event import APPROVED, Event
from gateway.audit.journal import Journal
from gateway.cli import output
from gateway.cli.approval import approve_for_agent
from gateway.config.mfa_policy import MfaConfig
from gateway.injection.ancestors import agent_behind_us
from identity.errors import SecretDamaged, SecretNotFound, SecurityKeyUnavailable, TouchDenied
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef
from identity.secret_stores.guarded import is_sealed

if TYPE_CHECKING:
    from gateway.cli.touched_ahead import TouchedAhead
    from identity.mfa.ceremony import Ceremony
    from identity.mfa.enrolled import EnrolledKeys, KeySlot, Lock
    from identity.mfa.statement import Statement

_ENROL: Final = "enrol keys with 'devwiz-gw mfa add', and make a recovery code: 'mfa recovery'"


class Kept(Protocol):
    """Where a project's keys and sealed values are, and the key of its journal."""

    def sealed(self, ref: SecretRef) -> Secret:
        """The value as it is kept, sealed or not."""
        ...

    def set(self, ref: SecretRef, value: Secret) -> None:
        """Keep another value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is about to be done: by which command, to what, and for which program's command line.

    `names` are the secrets whose policy counts; `targets` are shown instead of them where the
    command is about something else. `uses` is how often a touch is good for it (0: once for each).
    """

    command: str
    names: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    uses: int = 0


class Gate:
    """One command's way to a touch, and to the values that only a touch opens.

    A touch is good for all that it was asked for, once each, until its time is over; a value that
    is read later takes another one.
    """

    def __init__(
        self,
        store: Kept,
        journal: Journal,
        policy: MfaConfig,
        action: Action,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._journal = journal
        self._project = journal.project
        self._policy = policy
        self._action = action
        self._now = now
        self._statement: Statement | None = None
        self._lock: Lock | None = None
        self._left = 0

    def approve(self, *, what: str = "", sign_in: bool = False) -> str:
        """Ask for what the policy demands. An agent that asks needs a person's word for `what`: a
        touch where keys are enrolled, else a yes at the terminal; a touch it is as well where the
        policy is unknown and keys are enrolled. The result is the agent, or "".

        Raises:
            TouchDenied, SecurityKeyUnavailable: what has to be touched was not.
            AgentRefused: nobody said yes.
        """
        agent = agent_behind_us() if what else ""
        needed = sign_in or self._policy.wants(self._action.command, self._action.names)
        if needed or ((agent or self._policy.is_unknown) and self._has_keys()):
            if not self._was_touched_ahead():
                self._touch()
            return agent
        if agent:
            approve_for_agent(agent, what)
        return agent

    def read(self, ref: SecretRef) -> Secret:
        """The value, after a touch if it is sealed, and within the time of the one that there was.

        Raises:
            SecretNotFound, StoreUnavailable, TouchDenied, SecurityKeyUnavailable.
        """
        kept = self._store.sealed(ref)
        if self._statement is None and not is_sealed(kept):
            return kept
        lock = self._good_lock()
        self._left -= 1
        return opened(kept, ref, lock) if is_sealed(kept) else kept

    def touch_now(self) -> Lock:
        """Ask for a touch whatever the policy says; what it opens. Raises as `approve` does."""
        self._touch(enough=False)
        return self._good_lock()

    def touch_ahead(self) -> None:
        """Ask now for what later commands do, so often and within the time: see `TouchedAhead`.

        Raises:
            TouchDenied, SecurityKeyUnavailable.
        """
        slot, proof = self._touch(ahead=True)
        if self._statement is not None:
            self._ahead().give(self._statement, slot, proof)

    def _was_touched_ahead(self) -> bool:
        try:
            ahead = self._ahead()
        except TouchDenied:
            return False  # there are no keys: asking for a touch says so
        return ahead.take(self._action.command, self._targets) is not None

    def _ahead(self) -> TouchedAhead:
        from gateway.cli.touch_ledger import TouchLedger
        from gateway.cli.touched_ahead import TouchedAhead
        from identity.mfa.assertion import encoded

        keys = self._keys(enough=True)
        public = frozenset(encoded(slot.public_key) for slot in keys.slots)
        ledger = TouchLedger(self._journal, self._store, public)
        return TouchedAhead(self._journal.path.parent, keys, ledger, self._now)

    def _good_lock(self) -> Lock:
        statement = self._statement
        if statement is None or self._left <= 0 or not statement.is_in_time(self._now()):
            self._touch()
        if self._lock is None:
            raise TouchDenied("there was no touch")
        return self._lock

    def _has_keys(self) -> bool:
        keys = load_keys(self._store, self._project)
        return keys is not None and keys.is_enough

    def _touch(
        self, *, enough: bool = True, ahead: bool = False
    ) -> tuple[KeySlot, Mapping[str, str]]:
        try:
            keys = self._keys(enough=enough)
            statement = self._stated()
            slot, lock, proof = touch_for(statement, keys, self._shown(statement))
            self._refuse_late(statement)
        except (TouchDenied, SecurityKeyUnavailable) as denied:
            self._journal.record(
                APPROVED,
                outcome="denied",
                name=", ".join(self._targets),
                reason=f"{self._action.command}: {denied}",
            )
            raise
        self._journal.write(_event(statement, slot, proof, ahead=ahead))
        self._statement, self._lock, self._left = statement, lock, statement.uses
        return slot, proof

    def _refuse_late(self, statement: Statement) -> None:
        if not statement.is_in_time(self._now()):
            raise TouchDenied(f"it came later than {statement.within_s} s after the question")

    def _keys(self, *, enough: bool) -> EnrolledKeys:
        keys = load_keys(self._store, self._project)
        if keys is None or not keys.slots:
            raise TouchDenied("a touch is needed, and no security key is enrolled", hint=_ENROL)
        if enough and not keys.is_enough:
            raise TouchDenied(
                "a touch is needed, and whoever loses the only enrolled key would be locked out",
                hint="enrol a second one ('devwiz-gw mfa add') or make a recovery code "
                "('devwiz-gw mfa recovery'): touches count from then on",
            )
        return keys

    @property
    def _targets(self) -> tuple[str, ...]:
        return self._action.targets or self._action.names

    def _stated(self) -> Statement:
        from identity.mfa.assertion import ProofRefused
        from identity.mfa.statement import NONCE_BYTES, Statement, command_digest

        argv = self._action.argv
        try:
            return Statement(
                action=self._action.command,
                project=self._project,
                names=self._targets,
                program=Path(argv[0]).name if argv else "",
                command=command_digest(argv) if argv else "",
                nonce=os.urandom(NONCE_BYTES).hex(),
                at=self._now().isoformat(timespec="seconds"),
                within_s=self._policy.within_s,
                uses=self._action.uses or max(1, len(self._targets)),
            )
        except ProofRefused as refused:
            raise TouchDenied(str(refused), hint="take fewer at once: --only") from None

    def _shown(self, statement: Statement) -> list[str]:
        rows = [("project", statement.project), ("to", ", ".join(statement.names))]
        if self._action.argv:
            rows.append(("program", " ".join(self._action.argv)))
        often = "once" if statement.uses == 1 else f"{statement.uses} times"
        rows.append((often, f"in {statement.within_s} s"))
        return [f"A touch approves: {statement.action}", *output.pairs(rows)]


def touch_for(
    statement: Statement, keys: EnrolledKeys, shown: Sequence[str]
) -> tuple[KeySlot, Lock, Mapping[str, str]]:
    """Which enrolled key was touched for a statement, what it opens, and its proof as fields.

    Raises:
        TouchDenied, SecurityKeyUnavailable.
    """
    from identity.mfa.ceremony import Candidate
    from identity.mfa.enrolled import KeysDamaged, open_by_key

    candidates = [
        Candidate(slot.credential, slot.public_key, slot.verified, slot.salt) for slot in keys.slots
    ]
    touch = ceremony(shown).touch(statement.challenge(), candidates)
    slot = keys.slot_of(touch.credential)
    try:
        lock = open_by_key(keys, statement.project, slot, touch.secret)
    except KeysDamaged:
        raise TouchDenied(
            "the touched key doesn't open the project's lock",
            hint="was what is kept of it changed? 'devwiz-gw mfa list' shows what is enrolled",
        ) from None
    return slot, lock, touch.proof.fields()


def ceremony(shown: Sequence[str] = ()) -> Ceremony:
    """Touches at this terminal, which shows what they approve. Raises `TouchDenied` without one."""
    import time

    from gateway.cli.security_key import AtTerminal
    from identity.mfa.ceremony import Ceremony
    from identity.mfa.device import SecurityKeys
    from identity.mfa.prompts import PromptFile, prompt_path

    person = AtTerminal(shown)
    return Ceremony(SecurityKeys(person), PromptFile(prompt_path(os.environ), time.time))


def load_keys(store: Kept, project: str) -> EnrolledKeys | None:
    """The project's keys, or None. Raises `SecretDamaged`, and what the store raises."""
    try:
        kept = store.sealed(SecretRef(project, f"{OWN_PREFIX}mfa"))
    except SecretNotFound:
        return None
    from identity.mfa.enrolled import KeysDamaged, decode

    try:
        return decode(kept.reveal())
    except KeysDamaged as damaged:
        raise SecretDamaged(
            f"what is kept of the project's security keys is damaged: {damaged}",
            hint="restore the store from a backup; without it what is sealed can't be read",
        ) from None


def opened(kept: Secret, ref: SecretRef, lock: Lock) -> Secret:
    """A sealed value, open. Raises `SecretDamaged`."""
    from identity.mfa.enrolled import KeysDamaged
    from identity.mfa.sealed import unseal

    try:
        return Secret(unseal(kept.reveal(), ref, lock))
    except KeysDamaged as damaged:
        raise SecretDamaged(
            f"secret {ref} can't be opened: {damaged}", hint="set the secret again"
        ) from None


def _event(statement: Statement, slot: KeySlot, proof: Mapping[str, str], *, ahead: bool) -> Event:
    from identity.mfa.assertion import encoded

    told: dict[str, Any] = {
        "statement": statement.fields(),
        "key": slot.number,
        "public_key": encoded(slot.public_key),
        "verified": slot.verified,
        **proof,
    }
    return Event(
        action=APPROVED,
        outcome="ok",
        name=", ".join(statement.names),
        reason=statement.action,
        more={"mfa": told} | ({"ahead": True} if ahead else {}),
    )
