"""The issuer's audit file: one JSON line for each token made, issue, denial and lock.

A line is on the disk before what it tells of is released. It never holds a token, a key or a
certificate.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from certs.issuer.policy import InvalidPolicy
from certs.issuer.refusal import Code, Refused

_BUSY_RETRY_S: Final = 2.0

Action = Literal["token", "rule", "join", "renew", "lock", "unlock", "rotate", "renew_window"]


@dataclass(slots=True, kw_only=True)
class Event:
    """One line in the making: an operation fills in what it learns on its way."""

    action: Action
    peer: str = ""
    outcome: Literal["allow", "deny", "error"] = "error"
    reason: str = ""
    instance: str = ""
    spiffe_id: str = ""
    serial: str = ""
    generation: int | None = None
    token_id: str = ""
    phase: str = ""
    target: str = ""
    revoke: str = ""
    evidence: dict[str, str] = field(default_factory=dict)


class AuditFile:
    """An append-only file, mode 0600; `close` when done."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = path
        self._fd = os.open(path, flags, 0o600)

    def append(self, event: Event, now: datetime) -> None:
        """Write the line and wait until the disk has it.

        Raises:
            Refused: `audit_unavailable`: what the line tells of must not be released.
        """
        fields = {"time": now.isoformat(timespec="milliseconds"), **asdict(event)}
        line = json.dumps(
            {name: value for name, value in fields.items() if value not in ("", None, {})}
        )
        try:
            self._write(line.encode() + b"\n")
            os.fsync(self._fd)
        except OSError as error:
            raise Refused(
                Code.AUDIT_UNAVAILABLE,
                f"the audit file {self._path.name} can't be written: {error.strerror}",
                hint="nothing is issued without an audit line: make room on the issuer's disk",
                retry_after_s=10,
            ) from error

    def _write(self, line: bytes) -> None:
        """One write of one line to an O_APPEND file: lines of two processes don't mix."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            # A line that a full disk or a crash cut short stays a broken one, on a line of its own.
            line = b"\n" + line
        if os.write(self._fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


@contextmanager
def audited(audit: AuditFile, event: Event, now: datetime) -> Iterator[None]:
    """Write the event's line after the block, whatever came of it.

    A caller who is merely too fast gets no line: it would fill the disk.

    Raises:
        Refused: from the block, or because the state or the line can't be written.
    """
    try:
        yield
    except Refused as refused:
        event.outcome, event.reason = "deny", refused.code
        if refused.code is not Code.RATE_LIMITED:
            audit.append(event, now)
        raise
    except sqlite3.Error as error:
        event.outcome, event.reason = "error", Code.STATE_UNAVAILABLE
        audit.append(event, now)
        raise Refused(
            Code.STATE_UNAVAILABLE,
            "the issuer's state can't be changed now",
            hint="try again; if it stays, the issuer's disk is full or failing",
            retry_after_s=_BUSY_RETRY_S,
        ) from error
    except InvalidPolicy:
        raise  # an operator's slip, which changed nothing, and is told at once
    except Exception:
        event.outcome, event.reason = "error", Code.INTERNAL
        audit.append(event, now)
        raise
    event.outcome = "allow"
    audit.append(event, now)
