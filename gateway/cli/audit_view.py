"""What `audit verify` found, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gateway.audit.checkpoint import fingerprint
from gateway.audit.verify import Acknowledged, Problem, Verdict
from gateway.cli.output import paint, pairs, printable

#: What a person is shown at most; one change can break many lines.
_MOST_PROBLEMS: Final = 100


def verdict_document(verdict: Verdict, path: Path) -> dict[str, Any]:
    """For programs."""
    return {
        "ok": verdict.whole,
        "journal": str(path),
        "events": verdict.events,
        "first": verdict.first,
        "last": verdict.last.seq,
        "head": verdict.last.head,
        "signed_through": verdict.signed,
        "keys": verdict.keys,
        "touches_proven": verdict.touches,
        "torn_lines": verdict.torn,
        "problems": [
            {
                "finding": problem.id,
                "file": problem.file,
                "line": problem.line,
                "what": problem.what,
            }
            for problem in verdict.problems
        ],
        "acknowledged": [asdict(item) for item in verdict.acknowledged],
    }


def verdict_lines(verdict: Verdict, path: Path) -> list[str]:
    """For people."""
    if not verdict.events and verdict.whole:
        return [f"nothing is recorded in {path} yet"]
    word = paint("whole", "good") if verdict.whole else paint("not whole", "bad")
    rows = [
        ("events", f"{verdict.events}, number {verdict.first} to {verdict.last.seq}"),
        ("signed", _signed(verdict)),
        ("head", verdict.last.head),
    ]
    rows += [("key", f"{key} ({fingerprint(key)})") for key in verdict.keys]
    if verdict.touches:
        rows.append(("touches", f"{verdict.touches} approvals, proven by the keys' signatures"))
    if verdict.torn:
        rows.append(("torn", f"{verdict.torn} lines were cut short by a crash or a full disk"))
    more = len(verdict.problems) - _MOST_PROBLEMS
    return [
        f"{path}: {word}",
        *pairs(rows),
        *map(_known, verdict.acknowledged),
        *map(_problem, verdict.problems[:_MOST_PROBLEMS]),
        *([f"  and {more} more"] if more > 0 else []),
    ]


def _signed(verdict: Verdict) -> str:
    if not verdict.signed:
        return "nothing"
    behind = verdict.last.seq - verdict.signed - 1  # the checkpoint itself is a line
    return f"through {verdict.signed}" + (f"; {behind} younger are not" if behind > 0 else "")


def _problem(problem: Problem) -> str:
    return f"  {paint('✗', 'bad')} {problem.id[:12]} {_where(problem)}{problem.what}"


def _known(item: Acknowledged) -> str:
    said = f"acknowledged by {item.who} at {item.at}: {item.reason}"
    return printable(f"  · {item.finding[:12]} {_where(item)}{item.what}; {said}")


def _where(item: Problem | Acknowledged) -> str:
    return f"{item.file}:{item.line}: " if item.file else ""
