"""What `audit verify` found, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.audit.checkpoint import fingerprint
from gateway.audit.verify import Problem, Verdict
from gateway.cli.output import paint, pairs


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
            {"file": problem.file, "line": problem.line, "what": problem.what}
            for problem in verdict.problems
        ],
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
    return [f"{path}: {word}", *pairs(rows), *map(_problem, verdict.problems)]


def _signed(verdict: Verdict) -> str:
    if not verdict.signed:
        return "nothing"
    behind = verdict.last.seq - verdict.signed - 1  # the checkpoint itself is a line
    return f"through {verdict.signed}" + (f"; {behind} younger are not" if behind > 0 else "")


def _problem(problem: Problem) -> str:
    where = f"{problem.file}:{problem.line}: " if problem.file else ""
    return f"  {paint('✗', 'bad')} {where}{problem.what}"
