"""An audit event, and the line that it becomes.

A line is a JSON object. Its `prev` is the SHA-256 of the whole line before it (without its
newline), so that a line which is changed, removed or put in breaks the chain; `seq` counts from 1.
A value of a secret is never in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

#: `prev` of the first line.
FIRST: Final = "0" * 64
#: Actions of the journal's own: a signed checkpoint, and old files that were removed.
CHECKPOINT: Final = "audit.checkpoint"
PRUNED: Final = "audit.pruned"
#: What was signed is not there any more: told by the signer, which goes on with what there is.
BROKEN: Final = "audit.broken"
#: A person knows of something that `audit verify` finds.
ACKNOWLEDGED: Final = "audit.acknowledged"
#: Lines were cut short by a crash or a full disk: the chain goes on over them.
TORN: Final = "audit.torn"
#: A security key is enrolled, or no more, and one has approved something: see
#: `gateway.audit.approvals`.
ENROLLED: Final = "mfa.add"
REMOVED: Final = "mfa.remove"
APPROVED: Final = "mfa.approve"
#: What was approved ahead has begun to be done.
USED: Final = "mfa.use"
#: Characters of a field: a line, six bytes a character at worst, stays far below what is read back.
MAX_TEXT: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who: the user, by number and name and by `account` where one is logged in, and the process,
    by number, program and start (clock ticks after the machine's, so that a number which is used
    again is another process). "" and 0 where the system doesn't tell.
    """

    uid: int
    user: str = ""
    account: str = ""
    pid: int = 0
    exe: str = ""
    started: int = 0

    def fields(self) -> dict[str, Any]:
        """As they stand in a line."""
        user = {"uid": self.uid, "name": self.user, "account": self.account}
        client = {"pid": self.pid, "exe": self.exe[:MAX_TEXT], "started": self.started}
        return {"user": _told(user), "client": _told(client)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened. `outcome` is "ok", "denied", "failed", or "begun" where the line is written
    ahead of what it tells of; `name` says to what, `reason` why; `more` is for one action's own.
    """

    action: str
    outcome: str
    name: str = ""
    reason: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain stands: its last line's number and hash."""

    seq: int = 0
    head: str = FIRST

    def after(self, line: bytes) -> Place:
        """The place that a next line, which may be a broken one, leads to."""
        return Place(seq_of(line) or self.seq, digest(line))


def line_of(event: Event, *, place: Place, at: datetime, project: str, actor: Actor) -> bytes:
    """The event as the line after `place`, without a newline. Texts are cut to `MAX_TEXT`."""
    fields = {
        "seq": place.seq + 1,
        "time": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        **actor.fields(),
        "project": project,
        "action": event.action,
        "name": event.name[:MAX_TEXT],
        "outcome": event.outcome,
        "reason": event.reason[:MAX_TEXT],
        **event.more,
        "prev": place.head,
    }
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    # What UTF-8 can't hold becomes an escape, which JSON writes the same way.
    return text.encode("utf-8", "backslashreplace")


def torn(behind: str) -> Event:
    """The event behind lines that were cut short; `behind` is the hash of the one before, which
    they don't tell, and without which nothing would hold the chain together there.
    """
    return Event(action=TORN, outcome="failed", more={"behind": behind})


def digest(line: bytes) -> str:
    """What the next line calls this one."""
    return hashlib.sha256(line).hexdigest()


def fields_of(line: bytes) -> dict[str, Any] | None:
    """The line's object; None for one that was cut short by a full disk or a crash."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def seq_of(line: bytes) -> int:
    """The line's number, or 0 if it has none."""
    return number_of((fields_of(line) or {}).get("seq"))


def number_of(value: object) -> int:
    """A number of a line, or 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _told(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value != "" and value != 0} | (
        {"uid": values["uid"]} if "uid" in values else {}
    )
