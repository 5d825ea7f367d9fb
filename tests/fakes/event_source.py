"""What a browser makes of an event stream: the steps of the standard one after the other, over the
whole text, and nothing of ours.

Source: the WHATWG HTML standard, 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Its kind, its data, and the last event's id when it was dispatched.
Dispatched = tuple[str, str, str]


@dataclass(slots=True)
class EventSource:
    """Read to its end.

    Attributes:
        events: those that were dispatched.
        last_id: what is sent as `Last-Event-ID` afterwards.
        retry_ms: the time before that, if the stream named one.
    """

    events: list[Dispatched] = field(default_factory=list)
    last_id: str = ""
    retry_ms: int | None = None


def interpreted(stream: bytes) -> EventSource:
    """The stream of these bytes, ended."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    # The text behind the last end of line is no line.
    lines = re.split("\r\n|\n|\r", text)[:-1]
    source = EventSource()
    kind, data, last_id = "", "", ""
    for line in lines:
        if line == "":
            source.last_id = last_id
            if data != "":
                source.events.append((kind or "message", data.removesuffix("\n"), last_id))
            kind, data = "", ""
            continue
        if line.startswith(":"):
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            source.retry_ms = int(value)
    return source
