"""When Configu was asked and answered last; beside the journal, for all processes of a project."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from identity.atomic_file import write_atomic

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


def read_contact(path: Path) -> Contact:
    """What was written; nothing is known of a file that isn't there, or isn't whole."""
    try:
        told = json.loads(path.read_bytes())
        return Contact(
            asked_at=_moment(told["asked_at"]),
            answered_at=_moment(told["answered_at"]),
            problem=str(told["problem"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Contact()


def write_contact(path: Path, contact: Contact) -> None:
    """Replace the file. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {
        "asked_at": _text(contact.asked_at),
        "answered_at": _text(contact.answered_at),
        "problem": contact.problem,
    }
    write_atomic(path, json.dumps(told).encode(), 0o600)


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
