"""The messages between the keychain store and its helper process: length, then JSON. Pure.

A request: {"op": "get"|"set"|"delete"|"names", "area", "project", "name"?, "value"?,
"unlock": bool, "asker": who asks, or null}, or {"op": "binding"|"bind"|"unbind"|"move", "project",
"file", …}. An answer: {"value": text or null}, {"names": […]}, {"removed": bool}, {} for `set`,
{"binding": text or null}, with "bound": whether this use has bound the project; or {"error":
"locked"|"absent"|"failed"|"damaged", "reason": text}, or {"error": "refused", "kind", "reason",
"hint"}. Before its answer the helper may
say {"notice": "prompting"}: from then on it waits for a person.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final, Literal, Protocol

from identity.strict_json import strict_value

#: Whose items a request is about: the projects' secrets, or what the vault keeps for itself.
Area = Literal["secrets", "vault"]

_LENGTH: Final = struct.Struct(">I")
#: Six bytes of JSON for each byte of the longest value, and room for the rest.
_MAX_BYTES: Final = 1024 * 1024


class Source(Protocol):
    """What messages are read from."""

    def read(self, size: int, /) -> bytes:
        """That many bytes; fewer at the end."""
        ...


class Sink(Protocol):
    """What messages are written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of it."""
        ...

    def flush(self) -> object:
        """Hand it on."""
        ...


def write_frame(stream: Sink, message: dict[str, Any]) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    body = json.dumps(message).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_frame(stream: Source) -> dict[str, Any] | None:
    """The next message, or None when the other side is gone or talks nonsense."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    body = stream.read(size) if size <= _MAX_BYTES else b""
    if len(body) < size or not body:
        return None
    try:
        message = strict_value(body)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
