"""Whether a journal is whole: a pure walk over its lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.audit import event
from gateway.audit.approvals import Approvals
from gateway.audit.checkpoint import Signed, verified
from gateway.audit.event import FIRST, Place, digest, fields_of, number_of
from gateway.audit.vouched import SIGNATURE, vouched


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and in which line of which file; `place` is what the line follows there, and
    `digest` the line's own hash, so that another finding at the same line is another one.
    """

    file: str
    line: int
    what: str
    place: Place = field(default_factory=Place)
    digest: str = ""

    @property
    def id(self) -> str:
        """What a person names it by."""
        parts = [self.what, self.place.seq, self.place.head, self.digest]
        return digest(json.dumps(parts).encode())

    @property
    def is_end(self) -> bool:
        """Whether it is that lines are gone which were signed, and so in no file."""
        return not self.file

    def fields(self) -> dict[str, Any]:
        """As they stand in the line that acknowledges it."""
        return {"finding": self.id, "file": self.file, "line": self.line, "what": self.what}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a person says to know of: the finding, why, and who said so when."""

    finding: str
    file: str
    line: int
    what: str
    reason: str
    who: str
    at: str


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What the walk found.

    Attributes:
        events: lines that tell of something.
        torn: lines cut short by a full disk or a crash; no problem by themselves.
        first: number of the first line that is left.
        last: where the chain stands.
        signed: number of the last line that a good checkpoint vouches for.
        keys: public keys of the good checkpoints, in their order.
        touches: approvals that a security key signed, and that are proven again.
        problems: what doesn't fit, and nobody acknowledged; none means whole.
        acknowledged: what a person knows of, by the word of the key's holder.
    """

    events: int = 0
    torn: int = 0
    first: int = 0
    last: Place = field(default_factory=Place)
    signed: int = 0
    keys: list[str] = field(default_factory=list)
    touches: int = 0
    problems: list[Problem] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known from elsewhere: the keys that may sign (none: whichever do), a place that the
    chain had reached once, and where the lines that are given `begins`.
    """

    keys: frozenset[str] = frozenset()
    touch_keys: frozenset[str] = frozenset()
    reached: Place = field(default_factory=Place)
    begins: Place = field(default_factory=Place)


def verify(files: Iterable[tuple[str, Iterable[bytes]]], expected: Expected) -> Verdict:
    """Walk the lines, without their newlines, of a journal's files, the oldest file first."""
    walk = _Walk(expected)
    for name, lines in files:
        for number, line in enumerate(lines, 1):
            walk.step(name, number, line)
    return walk.end()


class _Walk:
    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._verdict = Verdict()
        self._place = Place()
        self._at = ("", 0)
        self._digest = ""
        self._start: Problem | None = None
        self._before_start = Place()
        self._removal_told = False
        self._begun = False
        self._behind = FIRST
        self._torn_since = False
        self._reached = expected.reached == Place()
        self._approvals = Approvals(expected.touch_keys)
        self._signed: list[tuple[int, int]] = []

    def step(self, file: str, number: int, line: bytes) -> None:
        self._at, self._digest = (file, number), digest(line)
        fields = fields_of(line)
        if fields is None:
            self._verdict.torn += 1
            self._torn_since = True
            self._place = Place(self._place.seq, self._digest)
            return
        if not self._begun:
            self._begin(fields)
        self._check(fields)
        self._verdict.events += 1
        self._place = Place(number_of(fields.get("seq")) or self._place.seq, self._digest)
        self._behind, self._torn_since = self._digest, False
        if self._place == self._expected.reached:
            self._reached = True

    def _begin(self, fields: dict[str, Any]) -> None:
        """Lines may have been removed on purpose before: a later line has to tell of it."""
        self._begun = True
        seq = self._verdict.first = number_of(fields.get("seq"))
        prev = str(fields.get("prev", ""))
        before = str(fields.get("behind", "")) if self._torn_since else prev
        if before == FIRST and seq == 1:
            return
        self._approvals.is_complete = False
        self._before_start = Place(max(0, seq - 1), before)
        self._behind = before
        self._place = Place(self._before_start.seq, self._place.head if self._torn_since else prev)
        if self._before_start == self._expected.begins:
            return
        what = f"it begins with line {seq}, and no signed line tells of older ones' removal"
        self._start = self._problem_here(what)

    def _check(self, fields: dict[str, Any]) -> None:
        if fields.get("prev") != self._place.head or not self._is_joined(fields):
            self._problem("it doesn't follow the line before: one was changed, removed or added")
        elif number_of(fields.get("seq")) != self._place.seq + 1:
            self._problem(f"its number is not {self._place.seq + 1}")
        match fields.get("action"):
            case event.CHECKPOINT:
                self._checkpoint(fields)
            case event.PRUNED:
                self._pruned(fields)
            case event.ACKNOWLEDGED:
                self._acknowledged(fields)
            case event.BROKEN:
                self._problem("the signer didn't find here what it had signed before")
            case _:
                if wrong := self._approvals.step(fields):
                    self._problem(wrong)

    def _is_joined(self, fields: dict[str, Any]) -> bool:
        """Whether what is before torn lines is told behind them."""
        return not self._torn_since or fields.get("behind") == self._behind

    def _checkpoint(self, fields: dict[str, Any]) -> None:
        result = verified(fields, before=self._place)
        if isinstance(result, str):
            self._problem(result)
        else:
            self._is_by_our_key(result, "a checkpoint")

    def _is_by_our_key(self, result: Signed, what: str) -> bool:
        keys = self._verdict.keys
        allowed = self._expected.keys or frozenset(keys[:1]) or frozenset((result.key,))
        if result.key not in allowed:
            self._problem(f"{what} that another key signed")
            return False
        if result.key not in keys:
            keys.append(result.key)
        self._signed.append((len(self._verdict.problems), result.place.seq))
        return True

    def _pruned(self, fields: dict[str, Any]) -> None:
        told = fields.get("pruned")
        removed = told if isinstance(told, dict) else {}
        through = Place(number_of(removed.get("through")), str(removed.get("head", "")))
        is_start = through == self._before_start
        result = vouched(fields, told, before=self._place)
        if isinstance(result, Signed):
            if self._is_by_our_key(result, "a removal of old lines") and is_start:
                self._start = None
        elif SIGNATURE in fields or self._expected.keys or self._verdict.keys:
            self._problem(f"a removal of old lines, and {result}")
        else:
            self._removal_told = self._removal_told or is_start

    def _acknowledged(self, fields: dict[str, Any]) -> None:
        told = fields.get("acknowledged")
        result = vouched(fields, told, before=self._place)
        if not isinstance(result, Signed) or not isinstance(told, dict):
            self._problem(f"an acknowledgement, and {result}")
        elif self._is_by_our_key(result, "an acknowledgement"):
            self._verdict.acknowledged.append(_acknowledged(fields, told))

    def _problem(self, what: str) -> None:
        self._verdict.problems.append(self._problem_here(what))

    def _problem_here(self, what: str) -> Problem:
        return Problem(*self._at, what, self._place, self._digest)

    def end(self) -> Verdict:
        verdict, reached = self._verdict, self._expected.reached
        known = {item.finding for item in verdict.acknowledged}
        open_ones = [index for index, item in enumerate(verdict.problems) if item.id not in known]
        first_open = min(open_ones, default=len(verdict.problems))
        verdict.signed = max(
            (seq for before, seq in self._signed if before <= first_open), default=0
        )
        problems = [verdict.problems[index] for index in open_ones]
        is_unsigned = not (verdict.keys or self._expected.keys)
        if self._start and not (self._removal_told and is_unsigned) and self._start.id not in known:
            problems.insert(0, self._start)
        if self._torn_since and not self._begun:
            problems.append(self._problem_here("the only lines that are left are cut short"))
        if not self._reached:
            what = f"line {reached.seq} was signed once and is not there as it was: the end is gone"
            gone = Problem("", 0, what, reached)
            problems += [gone] if gone.id not in known else []
        verdict.problems = problems
        verdict.last = self._place
        verdict.touches = self._approvals.proven
        return verdict


def _acknowledged(fields: dict[str, Any], told: dict[str, Any]) -> Acknowledged:
    user, signed = fields.get("user"), fields.get(SIGNATURE)
    names = user if isinstance(user, dict) else {}
    # Lines of earlier versions have nobody's name under the signature.
    who = told.get("by") or names.get("name") or names.get("uid", "")
    return Acknowledged(
        finding=str(told.get("finding")),
        file=str(told.get("file")),
        line=number_of(told.get("line")),
        what=str(told.get("what")),
        reason=str(told.get("reason")),
        who=str(who),
        at=str(signed.get("at") if isinstance(signed, dict) else fields.get("time")),
    )
