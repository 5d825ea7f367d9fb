"""Joining again with a bound key: who may, and how a copy of the key is found. Pure.

Each join gives the holder a *join state* with the next number of a sequence. The issuer remembers
two of them, as it does with certificates (`certs.issuer.generation`): the confirmed one, which was
shown last, and the pending one, given out for it. So a reply that was lost, or a holder that
crashed before it kept the state, locks nobody: the confirmed state stays good until there is a sign
that the pending one arrived. That is when the pending state is shown, or when the certificate that
came with it was used to renew: a holder keeps the state before it uses the certificate. Any other
state, or none, is that of a copy, or of a holder brought back to an older time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from certs.issuer import generation
from certs.issuer.generation import Lineage, Link
from certs.issuer.joins.rules import BoundKeyTerms

#: What a holder without a state stands at.
START: Final = Link(0, "")
_UNUSED: Final = Lineage(confirmed=START)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKey:
    """What the issuer remembers of a rule's key.

    Attributes:
        binding: a random name of this key's time with the rule.
        key_pem: the public key; "" until one registers.
        digest: of the registration secret; b"" where there is none.
        registration_end: until when it can be used.
        instance_id: who joined with it; "" until somebody did.
        joins: how many joins it was good for, each repeated request counted once.
        states: the join states, as links of a chain: sequence number and id.
        pending_generation: of the certificate that the pending state came with.
    """

    rule: str
    binding: str
    key_pem: str = ""
    digest: bytes = b""
    registration_end: datetime
    instance_id: str = ""
    joins: int = 0
    states: Lineage = _UNUSED
    pending_generation: int = 0


class Verdict(Enum):
    """What a join with a bound key comes to."""

    ISSUE = "issue"
    REPEAT = "repeated"
    KEY_REUSED = "key_reused"
    LIMIT = "recovery_limit"
    MISMATCH = "join_state_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict; with ISSUE and REPEAT the state to give and what to remember."""

    verdict: Verdict
    bound: BoundKey
    state: Link = START


def present(
    bound: BoundKey,
    terms: BoundKeyTerms,
    *,
    shown: Link,
    next_id: str,
    latest_generation: int,
) -> Decision:
    """Judge a join by the holder of the state `shown`.

    Args:
        next_id: of the state to give; the same for a repeated request.
        latest_generation: the newest that the instance's chain of certificates has.
    """
    states = _arrived(bound, latest_generation)
    decision = generation.present(states, shown, next_id)
    if decision.verdict is generation.Verdict.KEY_REUSED:
        return Decision(verdict=Verdict.KEY_REUSED, bound=bound)
    if decision.link is None:
        return Decision(verdict=Verdict.MISMATCH, bound=bound)
    if states.pending == decision.link:
        return Decision(verdict=Verdict.REPEAT, bound=bound, state=decision.link)
    if terms.mode == "standard" and bound.joins >= terms.recovery_limit:
        return Decision(verdict=Verdict.LIMIT, bound=bound)
    return Decision(
        verdict=Verdict.ISSUE,
        bound=replace(bound, states=decision.lineage, joins=bound.joins + 1),
        state=decision.link,
    )


def _arrived(bound: BoundKey, latest_generation: int) -> Lineage:
    pending = bound.states.pending
    if pending is not None and latest_generation > bound.pending_generation:
        return Lineage(confirmed=pending)
    return bound.states
