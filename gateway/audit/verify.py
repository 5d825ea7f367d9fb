"""Whether a journal is whole: a pure walk over its lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.audit.approvals import Approvals
from gateway.audit.checkpoint import verified
from gateway.audit.event import BROKEN, CHECKPOINT, FIRST, PRUNED, Place, digest, fields_of

#: What is told of at most; one change can break the chain in one place only, but there may be many.
_MOST_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and in which line of which file."""

    file: str
    line: int
    what: str


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
        problems: what doesn't fit; none means whole.
    """

    events: int = 0
    torn: int = 0
    first: int = 0
    last: Place = field(default_factory=Place)
    signed: int = 0
    keys: list[str] = field(default_factory=list)
    touches: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known from elsewhere: the keys that may sign (none: whichever do), and a place that
    the chain had reached once.
    """

    keys: frozenset[str] = frozenset()
    touch_keys: frozenset[str] = frozenset()
    reached: Place = field(default_factory=Place)


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
        self._start: Problem | None = None
        self._before_start = Place()
        self._begun = False
        self._reached = expected.reached == Place()
        self._approvals = Approvals(expected.touch_keys)

    def step(self, file: str, number: int, line: bytes) -> None:
        fields = fields_of(line)
        if fields is None:
            self._torn(file, number, line)
            return
        if not self._begun:
            self._begin(file, number, fields)
        self._check(file, number, fields)
        self._verdict.events += 1
        self._place = Place(_seq(fields) or self._place.seq, digest(line))
        if self._place == self._expected.reached:
            self._reached = True

    def _torn(self, file: str, number: int, line: bytes) -> None:
        if not self._begun:
            self._problem(file, number, "the first line that is left is cut short")
            self._begun = True
        self._verdict.torn += 1
        self._place = Place(self._place.seq, digest(line))

    def _begin(self, file: str, number: int, fields: dict[str, Any]) -> None:
        """Lines may have been removed on purpose before: a later line has to tell of it."""
        self._begun = True
        self._verdict.first = _seq(fields)
        prev = str(fields.get("prev", ""))
        if prev != FIRST or _seq(fields) != 1:
            self._approvals.is_complete = False
            self._before_start = Place(_seq(fields) - 1, prev)
            self._place = self._before_start
            what = f"it begins with line {_seq(fields)}, and nothing tells of older ones' removal"
            self._start = Problem(file, number, what)

    def _check(self, file: str, number: int, fields: dict[str, Any]) -> None:
        if fields.get("prev") != self._place.head:
            self._problem(
                file, number, "it doesn't follow the line before: one was changed, removed or added"
            )
        elif _seq(fields) != self._place.seq + 1:
            self._problem(file, number, f"its number is not {self._place.seq + 1}")
        if fields.get("action") == CHECKPOINT:
            self._checkpoint(file, number, fields)
        elif fields.get("action") == PRUNED:
            self._pruned(fields)
        elif fields.get("action") == BROKEN:
            self._problem(file, number, "the signer didn't find here what it had signed before")
        elif wrong := self._approvals.step(fields):
            self._problem(file, number, wrong)

    def _checkpoint(self, file: str, number: int, fields: dict[str, Any]) -> None:
        result = verified(fields, before=self._place)
        if isinstance(result, str):
            self._problem(file, number, result)
            return
        keys = self._verdict.keys
        allowed = self._expected.keys or frozenset(keys[:1]) or frozenset((result.key,))
        if result.key not in allowed:
            self._problem(file, number, "a checkpoint that another key signed")
            return
        if result.key not in keys:
            keys.append(result.key)
        if not self._verdict.problems:
            self._verdict.signed = result.place.seq

    def _pruned(self, fields: dict[str, Any]) -> None:
        told = fields.get("pruned")
        if isinstance(told, dict):
            through = Place(_seq({"seq": told.get("through")}), str(told.get("head", "")))
            if through == self._before_start:
                self._start = None

    def _problem(self, file: str, number: int, what: str) -> None:
        if len(self._verdict.problems) < _MOST_PROBLEMS:
            self._verdict.problems.append(Problem(file, number, what))

    def end(self) -> Verdict:
        verdict, reached = self._verdict, self._expected.reached
        if self._start is not None:
            verdict.problems.insert(0, self._start)
        # What was signed may have been removed since, but only from its beginning, and then the key
        # vouches for what is left: whoever lacks it could else begin a chain behind that line.
        is_removed = self._begun and reached.seq < verdict.first <= verdict.signed
        if not self._reached and not is_removed:
            what = f"line {reached.seq} was signed once and is not there as it was: the end is gone"
            self._problem("", 0, what)
        verdict.last = self._place
        verdict.touches = self._approvals.proven
        return verdict


def _seq(fields: dict[str, Any]) -> int:
    seq = fields.get("seq")
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq > 0 else 0
