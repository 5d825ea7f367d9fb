"""When Configu was asked and answered last. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: How far ahead of this machine's clock an answer may be dated.
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """`problem` is why the last question was not answered, "" when it was."""

    asked_at: datetime | None = None
    answered_at: datetime | None = None
    problem: str = ""

    def age_s(self, now: datetime) -> float | None:
        """How old the last answer is; None where there was none, or this machine's clock was set
        back so far that nobody can know.
        """
        if self.answered_at is None or self.answered_at > now + _SKEW:
            return None
        return max(0.0, (now - self.answered_at).total_seconds())

    def too_old(self, now: datetime, max_offline_s: float) -> str:
        """Why what was taken from Configu doesn't count any more, or ""."""
        age = self.age_s(now)
        if age is None:
            return "nobody knows when Configu answered last"
        if age > max_offline_s:
            return (
                f"Configu has not answered for {age:.0f} s, and max_offline_s is {max_offline_s:g}"
            )
        return ""
