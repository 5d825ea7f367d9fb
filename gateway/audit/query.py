"""Which of a journal's events are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """None and "" ask for all; `action` and `name` are patterns with `*` and `?`; a `user` is a
    number, a name or an account. From `since` on, before `until`.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: str = ""
    name: str = ""
    outcome: str = ""
    user: str = ""

    def wants(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is one of those."""
        return (
            _fits(self.action, event.get("action"))
            and _fits(self.name, event.get("name"))
            and self.outcome in ("", event.get("outcome"))
            and self._is_of_user(event)
            and self._is_in_time(event)
        )

    def _is_of_user(self, event: Mapping[str, Any]) -> bool:
        if not self.user:
            return True
        user = event.get("user")
        return isinstance(user, Mapping) and self.user in map(str, user.values())

    def _is_in_time(self, event: Mapping[str, Any]) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            at = datetime.fromisoformat(str(event.get("time")))
        except ValueError:
            return False
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)


def _fits(pattern: str, value: object) -> bool:
    return not pattern or (isinstance(value, str) and fnmatchcase(value, pattern))
