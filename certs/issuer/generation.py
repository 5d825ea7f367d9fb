"""The two-phase generation counter: catches a copied identity, and a crash locks nobody.

Pure. An instance (one joined workload) owns a chain of certificates, each with a new key and the
next generation number. The issuer remembers two links of the chain:

- *confirmed*: the last link whose certificate was used to ask for a successor;
- *pending*: the successor that was issued to it, not yet used.

The holder of the confirmed link may ask again (its last reply was lost, or it crashed before it
kept it): the pending link is then replaced, or stays the same where the same key asks again. The
first use of the pending link confirms it. Any other link of the chain can only be shown by a second
holder of a copy, or by a holder brought back to an older state; the instance is then locked.

A link is a generation *and* a key. With the number alone two holders that renew in lockstep would
both hold "generation N + 1" and never be told apart; by the key the pending link belongs to one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate's place in an instance's chain: generation number and key pin."""

    generation: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What the issuer remembers of an instance's chain."""

    confirmed: Link
    pending: Link | None = None


class Verdict(Enum):
    """What a renewal request comes to."""

    ISSUE = "issue"
    KEY_REUSED = "key_reused"
    MISMATCH = "generation_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict, the lineage to store, and the link to issue when the verdict is ISSUE."""

    verdict: Verdict
    lineage: Lineage
    link: Link | None = None


def first(key: str) -> Lineage:
    """The lineage of an instance that has just joined with `key`."""
    return Lineage(confirmed=Link(1, key))


def present(lineage: Lineage, holder: Link, next_key: str) -> Decision:
    """Judge a request by the holder of `holder` for a certificate on `next_key`.

    A key that is certified already is refused without a lock: it is a late copy of a request that
    was answered, and the sender has proved that it holds that key. On MISMATCH the caller has to
    lock the instance; a locked one isn't to be judged at all.
    """
    if next_key == lineage.confirmed.key or (holder == lineage.pending and next_key == holder.key):
        return Decision(verdict=Verdict.KEY_REUSED, lineage=lineage)
    if holder == lineage.confirmed:
        return _issue(lineage, next_key)
    if holder == lineage.pending:
        return _issue(Lineage(confirmed=holder), next_key)
    return Decision(verdict=Verdict.MISMATCH, lineage=lineage)


def _issue(lineage: Lineage, next_key: str) -> Decision:
    link = Link(lineage.confirmed.generation + 1, next_key)
    return Decision(verdict=Verdict.ISSUE, lineage=replace(lineage, pending=link), link=link)
