"""What `doctor` found at each rung of its ladder, and what all of it comes to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Result = Literal["pass", "warn", "fail", "skip"]

#: The rungs, in the order in which they are shown; what comes later depends on what comes earlier.
RUNGS: Final = (
    "configuration",
    "gateway",
    "packages",
    "proxy",
    "secrets",
    "issuer",
    "clock",
    "tokens",
    "certificate",
    "callers",
    "dns",
    "tcp",
    "tls",
    "accepted",
    "http",
    "protocol",
)
#: The version of the document: a reader may count on its members while the number is the same.
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line.

    Attributes:
        about: the route, identity or token that it is about; "" for the whole gateway.
        detail: what was found, or for "skip" because of what nothing could be.
        remedy: what to do, for "warn" and "fail".
        reason: for a failed connection or request the word of docs/reliability.md; else "".
    """

    rung: str
    result: Result
    detail: str
    about: str = ""
    remedy: str = ""
    reason: str = ""

    def document(self) -> dict[str, str]:
        """As it stands in the JSON."""
        return {
            "rung": self.rung,
            "about": self.about,
            "result": self.result,
            "detail": self.detail,
            "remedy": self.remedy,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings about one configuration."""

    config: str
    version: str
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether nothing failed; a warning is no failure."""
        return all(finding.result != "fail" for finding in self.findings)

    def counts(self) -> dict[Result, int]:
        """How many there are of each result."""
        results: tuple[Result, ...] = ("pass", "warn", "fail", "skip")
        return {
            result: sum(finding.result == result for finding in self.findings) for result in results
        }

    def document(self) -> dict[str, Any]:
        """The JSON of `doctor --json`, described in docs/operations/doctor.md."""
        return {
            "schema": SCHEMA,
            "ok": self.is_good,
            "config": self.config,
            "version": self.version,
            "counts": self.counts(),
            "findings": [finding.document() for finding in self.findings],
        }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """First what is about everything, then what is about one thing, that thing's rungs together."""
    found = list(findings)
    of_routes = RUNGS.index("callers")
    early = [item for item in found if RUNGS.index(item.rung) < of_routes]
    late = [item for item in found if RUNGS.index(item.rung) >= of_routes]
    names = list(dict.fromkeys(item.about for item in late))
    early.sort(key=lambda item: RUNGS.index(item.rung))
    late.sort(key=lambda item: (names.index(item.about), RUNGS.index(item.rung)))
    return [*early, *late]


def failed(findings: Iterable[Finding]) -> bool:
    """Whether there is a failure among them."""
    return any(finding.result == "fail" for finding in findings)


def skipped(rung: str, why: str, *, about: str = "") -> Finding:
    """A rung that can't be tried, and because of what."""
    return Finding(rung=rung, about=about, result="skip", detail=f"skipped: because {why}")
