"""Server-sent events, read as they come. Pure.

Source: the WHATWG HTML standard, server-sent events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class EventTooLarge(ValueError):
    """An event is larger than what was agreed to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `id` is the last one that was named up to here; `retry_ms` what this one said."""

    kind: str
    data: bytes
    id: str
    retry_ms: int | None


class EventReader:
    """Reads one stream.

    Attributes:
        last_id: the last one that was named.
        retry_ms: what the event that isn't complete yet has said. It counts although the event may
            never be complete.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._rest = bytearray()  # grows in place: a line may come in very many pieces
        self._after_cr = False
        self._begun = False
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0
        self.retry_ms: int | None = None
        self._has_id = False
        self.last_id = ""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete now. Raises `EventTooLarge`."""
        if not chunk:
            return
        if self._after_cr:
            # The second half of an end of line.
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = chunk.endswith(b"\r")
        first, *others = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest += first
        if others:
            lines = [bytes(self._rest), *others]
            self._rest = bytearray(lines.pop())
            for line in lines:
                event = self._line(line)
                if event is not None:
                    yield event
        if self._size + len(self._rest) > self._most:
            raise EventTooLarge

    def _line(self, line: bytes) -> Event | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._finished()
        name, _, value = line.partition(b":")
        self._field(name, value.removeprefix(b" "))
        return None

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._most:
                raise EventTooLarge
        elif name == b"event":
            self._kind = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode(errors="replace")
            self._has_id = True
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_ms = int(value)

    def _finished(self) -> Event | None:
        said = self._data or self._has_id or self.retry_ms is not None
        event = Event(
            kind=self._kind or "message",
            data=b"\n".join(self._data),
            id=self.last_id,
            retry_ms=self.retry_ms,
        )
        self._kind, self._data, self._size, self._has_id = "", [], 0, False
        self.retry_ms = None
        return event if said else None
