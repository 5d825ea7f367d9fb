"""What a rehearsal goes through, and what came of it: values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

#: Whether the step was made with the user's own issuer, or with the embedded one.
Part = Literal["real", "simulated"]


@dataclass(frozen=True, slots=True)
class FirstIdentity:
    """A start: until there is a certificate."""


@dataclass(frozen=True, slots=True)
class Renewals:
    """So many renewals, each at its time."""

    count: int


@dataclass(frozen=True, slots=True)
class OutageOf:
    """An issuer that is away from the moment when the certificate is to be renewed, which is the
    worst one.

    Attributes:
        kind: "refuses" connections, or takes them and is "silent".
        is_whole: all sources are away; otherwise the first of several.
    """

    span: timedelta
    kind: Literal["refuses", "silent"] = "refuses"
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class SleepOf:
    """A machine that sleeps; a request is the first thing after it wakes."""

    span: timedelta


@dataclass(frozen=True, slots=True)
class ClockError:
    """A machine whose clock is wrong by so much for one life of the certificate, and is then set
    right.
    """

    error: timedelta


@dataclass(frozen=True, slots=True)
class AuthorityChange:
    """The authority's rotation is led into `phase`, and stays there for `hold`."""

    phase: str
    hold: timedelta


Step = FirstIdentity | Renewals | OutageOf | SleepOf | ClockError | AuthorityChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one step.

    Attributes:
        renewals, failed_renewals: of the gateway, while the step lasted.
        requests, failed_requests: tried all the while.
        longest_wait_s: how long a request that succeeded had to wait for its renewal at most.
        failed_s: from the first request that failed to the first that didn't; 0 when none failed.
        slowest_reply_s: of the source, in real time.
        why, hint: of the first failure.
    """

    part: Part
    step: str
    passed: timedelta
    renewals: int = 0
    failed_renewals: int = 0
    requests: int = 0
    failed_requests: int = 0
    longest_wait_s: float = 0.0
    failed_s: float = 0.0
    slowest_reply_s: float = 0.0
    why: str = ""
    hint: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the step cost nothing."""
        return not self.failed_requests and not self.why

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "part": self.part,
            "step": self.step,
            "ok": self.is_good,
            "passed_s": round(self.passed.total_seconds(), 3),
            "renewals": self.renewals,
            "failed_renewals": self.failed_renewals,
            "requests": self.requests,
            "failed_requests": self.failed_requests,
            "longest_wait_s": round(self.longest_wait_s, 3),
            "failed_s": round(self.failed_s, 3),
            "slowest_reply_s": round(self.slowest_reply_s, 3),
            "why": self.why,
            "hint": self.hint,
        }


def title(step: Step) -> str:
    """The step for people."""
    match step:
        case FirstIdentity():
            return "first identity"
        case Renewals():
            return f"{step.count} renewal{'' if step.count == 1 else 's'}"
        case OutageOf():
            who = "issuer" if step.is_whole else "first source"
            return f"{who} {step.kind} for {span(step.span)}"
        case SleepOf():
            return f"sleep of {span(step.span)}"
        case ClockError():
            way = "fast" if step.error > timedelta(0) else "slow"
            return f"clock {span(abs(step.error))} {way}"
        case AuthorityChange():
            return f"authority: {step.phase}"


def span(time: timedelta) -> str:
    """A span in the largest unit that it is a whole number of."""
    seconds = time.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
