"""The issuer's audit file: one JSON line for each token made, issue and denial.

A line is on the disk before what it tells of is released. It never holds a token, a key or a
certificate.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from certs.issuer.refusal import Code, Refused

Action = Literal["token", "join", "renew", "rotate", "renew_window"]


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


class AuditFile:
    """An append-only file, mode 0600; `close` when done."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = path
        self._fd = os.open(path, flags, 0o600)

    def append(self, event: Event, now: datetime) -> None:
        """Write the line and wait until the disk has it.

        Raises:
            Refused: `audit_unavailable`: what the line tells of must not be released.
        """
        fields = {"time": now.isoformat(timespec="milliseconds"), **asdict(event)}
        line = json.dumps(
            {name: value for name, value in fields.items() if value not in ("", None)}
        )
        try:
            # One write of one line to an O_APPEND file: lines of two processes don't mix.
            os.write(self._fd, line.encode() + b"\n")
            os.fsync(self._fd)
        except OSError as error:
            raise Refused(
                Code.AUDIT_UNAVAILABLE,
                f"the audit file {self._path.name} can't be written: {error.strerror}",
                hint="nothing is issued without an audit line: make room on the issuer's disk",
                retry_after_s=10,
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
