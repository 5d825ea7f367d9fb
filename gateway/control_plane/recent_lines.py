"""The last lines of the access log, kept in memory as they came: reading them costs only whoever
asks. Those of failures are kept longer. Pure.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

#: What is kept at most, in bytes: some thousand requests, and as many failures.
MOST_RECENT: Final = 2 * 1024 * 1024
MOST_FAILURES: Final = 1024 * 1024

# No text from outside can hold these bytes: its quotes are escaped.
_FAILED: Final = b',"stage":"'
_ID: Final = re.compile(r"[0-9a-f]{1,32}-[0-9a-f]{1,16}")
_TRACE: Final = re.compile(r"[0-9a-f]{32}")

Line = dict[str, Any]


class RecentLines:
    """Forgets the oldest first."""

    def __init__(
        self, *, most_recent: int = MOST_RECENT, most_failures: int = MOST_FAILURES
    ) -> None:
        self._recent = _Bounded(most_recent)
        self._failures = _Bounded(most_failures)

    def take(self, lines: bytes) -> None:
        """Keep newline-terminated lines."""
        self._recent.append(lines)
        if _FAILED in lines:
            for line in lines.splitlines():
                if _FAILED in line:
                    self._failures.append(line)

    def find(self, key: str) -> list[Line]:
        """The requests with this id, or those of this trace (its id in W3C's 32 digits); the oldest
        first.
        """
        if not _ID.fullmatch(key) and not _TRACE.fullmatch(key):
            return []
        found: dict[str, Line] = {}
        for kept in (self._failures, self._recent):
            for lines in kept.holding(key.encode()):
                for line in _parsed(lines):
                    if key in (line.get("id"), str(line.get("traceparent"))[3:35]):
                        found[str(line.get("id"))] = line
        return sorted(found.values(), key=_time)

    def latest(self, count: int, *, failed: bool) -> list[Line]:
        """The last `count` requests, or failures; the oldest first."""
        found: deque[Line] = deque(maxlen=count)
        for lines in self._failures if failed else self._recent:
            found.extend(_parsed(lines))
        return list(found)


class _Bounded:
    """Byte strings up to so many bytes together; the last one is always kept."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[bytes] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._items)

    def append(self, item: bytes) -> None:
        self._items.append(item)
        self._bytes += len(item)
        while self._bytes > self._most_bytes and len(self._items) > 1:
            self._bytes -= len(self._items.popleft())

    def holding(self, part: bytes) -> list[bytes]:
        return [item for item in self._items if part in item]


def _parsed(lines: bytes) -> Iterator[Line]:
    """The lines as objects; what a worker in trouble wrote that isn't one is left out."""
    for line in lines.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _time(line: Line) -> str:
    return str(line.get("ts", ""))
