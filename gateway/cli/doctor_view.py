"""What people see of a report: a line for each finding, and below it what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.cli import output
from gateway.doctor.finding import Finding, Report

_STYLES: Final = {"pass": "good", "warn": "warning", "fail": "bad", "skip": "faint"}


def lines(report: Report) -> Iterator[str]:
    """The whole report."""
    width = max(len(item.rung) for item in report.findings)
    about = max(len(item.about) for item in report.findings)
    margin = " " * (4 + 2 + width + 2 + (about + 2 if about else 0))
    for item in report.findings:
        yield from _finding(item, width, about, margin)
    yield ""
    yield _summary(report)


def _finding(item: Finding, width: int, about: int, margin: str) -> Iterator[str]:
    word = output.paint(f"{item.result:<4}", _STYLES[item.result])
    named = f"{item.about:<{about}}  " if about else ""
    yield f"{word}  {item.rung:<{width}}  {named}{output.printable(item.detail)}"
    if item.remedy:
        yield f"{margin}{output.paint('hint:', 'faint')} {output.printable(item.remedy)}"


def _summary(report: Report) -> str:
    counts = report.counts()
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if not report.is_good:
        return output.paint(f"something is wrong: {text}", "bad")
    if counts["warn"]:
        return output.paint(f"nothing failed, but look at the warnings: {text}", "warning")
    return output.paint(f"nothing is wrong: {text}", "good")
