"""The audit journal: one JSON line an event, each bound to the one before by a hash.

A line's `prev` is the SHA-256 of the whole line before it (without its newline), so that a line
which is changed, removed or put in breaks the chain. A value of a secret is never written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError

FIRST: Final = "0" * 64
#: Characters of a field: a line, six bytes a character at worst, stays far below what is read back.
MAX_TEXT: Final = 1024
_TAIL_BYTES: Final = 64 * 1024


class AuditFailed(GatewayError):
    """An event could not be written down; what it was about must not happen."""


def journal_path(project: str, env: Mapping[str, str]) -> Path:
    """Where a project's journal is: `$XDG_STATE_HOME/devwiz-gw/<project>/audit.jsonl`."""
    state = env.get("XDG_STATE_HOME", "")
    home = Path(env.get("HOME") or Path.home())
    # The XDG specification says that a relative value is to be ignored.
    base = Path(state) if Path(state).is_absolute() else home / ".local" / "state"
    return base / "devwiz-gw" / project / "audit.jsonl"


class Journal:
    """Appends events to a file of mode 0600; several processes may do so at the same time."""

    def __init__(
        self, path: Path, *, project: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Nothing is opened before the first event."""
        self._path = path
        self._project = project
        self._now = now
        self._lock = threading.Lock()

    def record(self, action: str, *, outcome: str, name: str = "", reason: str = "") -> None:
        """Write one event; when this returns it is with the operating system. Texts are cut to
        `MAX_TEXT` characters.

        Blocks for the time of one small write. Callable from any thread.

        Raises:
            AuditFailed: it could not be written.
        """
        event = {
            "time": self._now().astimezone(UTC).isoformat(timespec="milliseconds"),
            "uid": os.getuid(),
            "pid": os.getpid(),
            "project": self._project,
            "action": action,
            "name": name[:MAX_TEXT],
            "outcome": outcome,
            "reason": reason[:MAX_TEXT],
        }
        try:
            with self._lock:
                self._append(event)
        except OSError as error:
            raise AuditFailed(
                f"can't write the audit journal {self._path}: {(error.strerror or '').lower()}",
                hint="check the folder's mode and the free space, "
                "or set XDG_STATE_HOME to a folder that can be written to",
            ) from error

    def _append(self, event: dict[str, Any]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            last, whole = _last_line(descriptor)
            event["prev"] = hashlib.sha256(last).hexdigest() if last else FIRST
            text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            # What UTF-8 can't hold becomes an escape, which JSON writes the same way.
            line = text.encode("utf-8", "backslashreplace") + b"\n"
            # A line cut short by a full disk stays visible as a broken one, on a line of its own.
            _write_whole(descriptor, line if whole else b"\n" + line)
        finally:
            os.close(descriptor)


def _last_line(descriptor: int) -> tuple[bytes, bool]:
    """The last line, and whether it ends as a line should."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return tail.removesuffix(b"\n").rpartition(b"\n")[2], not tail or tail.endswith(b"\n")


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
