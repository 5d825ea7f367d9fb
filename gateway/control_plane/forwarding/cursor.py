"""How far a forwarder has come, and what it could not pass on: two files beside the journal."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.audit.event import Place
from gateway.control_plane.forwarding.record import Record
from identity.atomic_file import write_atomic
from identity.strict_json import strict_value

_LOG: Final = logging.getLogger(__name__)
_APPEND: Final = (
    os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
)


class Cursor:
    """The files of the forwarder `name`, both of mode 0600. All methods block."""

    def __init__(self, journal: Path, name: str) -> None:
        self._path = journal.with_name(f"forward-{name}.json")
        self._refused = journal.with_name(f"forward-{name}.refused.jsonl")
        self._counted = ((0, 0), 0)

    def load(self) -> Place:
        """The last line that was passed on; the place before the first if none is known."""
        try:
            told = strict_value(self._path.read_bytes())
            return Place(int(told["seq"]), str(told["head"]))
        except FileNotFoundError:
            return Place()
        except (ValueError, LookupError, TypeError):
            _LOG.warning("%s is not readable: the whole journal is sent again", self._path)
            return Place()

    def save(self, place: Place) -> None:
        """Keep a place, on the disk when this returns. Raises `OSError`."""
        text = json.dumps({"v": 1, "seq": place.seq, "head": place.head})
        write_atomic(self._path, text.encode() + b"\n", 0o600)

    def refuse(self, records: list[Record], why: str, *, at: datetime) -> None:
        """Put records aside, on the disk when this returns. Raises `OSError`."""
        when = at.isoformat(timespec="seconds")
        told = [
            json.dumps({"at": when, "why": why, "seq": item.seq, "line": item.text})
            for item in records
        ]
        fd = os.open(self._refused, _APPEND, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(("\n".join(told) + "\n").encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(fd)

    def refused(self) -> int:
        """How many were put aside and are still in the file. Raises `OSError`."""
        try:
            stat = self._refused.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if self._counted[0] != mark:
                with self._refused.open("rb") as file:
                    self._counted = mark, sum(1 for _ in file)
        except FileNotFoundError:
            self._counted = ((0, 0), 0)
        return self._counted[1]
