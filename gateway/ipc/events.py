"""Events that a worker tells the supervisor, each a JSON object {"event": name, …}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.ipc.json_values import as_scalar, as_text, parse_object

#: The upstream refused our certificate after the handshake (TLS 1.3). Fields: route, identity,
#: alert, cause, generation. The supervisor asks the rotation for one refresh.
LATE_ALERT: Final = "late_alert"

#: A request found the identity expired by the wall clock, or none at all. Fields: identity,
#: generation (0: none). The supervisor has the rotation try again, unless it has a good one by now.
IDENTITY_EXPIRED: Final = "identity_expired"

#: The upstream refused the credentials that a route attached (401). Fields: route. The supervisor
#: tries to get others, and tells all workers in a RENEWED frame when it has.
UNAUTHORIZED: Final = "unauthorized"

#: Callers were refused. Fields: route, listener, reason, count (since the last such event).
CALLER_DENIED: Final = "caller_denied"

#: A snapshot could not be applied to one route (unreadable bundle …). Fields: route, reason.
ROUTE_REJECTED: Final = "route_rejected"

#: A session of an upstream is at an address, or over. Fields: key, host ("" when it is over), port.
#: The supervisor tells the other workers, in a SESSIONS frame.
SESSION: Final = "session"

#: A line for the program's log. Fields: level ("warning"…), message, and any others.
LOG: Final = "log"


def encode_event(event: str, **fields: object) -> bytes:
    """An event as the payload of an EVENT frame. Fields must be JSON values and hold no secret."""
    return json.dumps({"event": event, **fields}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a worker told: the event's name and its fields, which are scalars and checked."""

    name: str
    fields: Mapping[str, str | int | float | None]

    def text(self, field: str) -> str:
        """A field that is a text; "" when it is not there or something else."""
        value = self.fields.get(field)
        return value if isinstance(value, str) else ""

    def integer(self, field: str, default: int) -> int:
        """A field that is a whole number; `default` when it is not there or something else."""
        value = self.fields.get(field)
        return value if isinstance(value, int) else default


def decode_event(payload: bytes) -> Event:
    """Read what `encode_event` wrote. Raises `FrameError` for anything else."""
    told = {as_text(key): as_scalar(value) for key, value in parse_object(payload).items()}
    return Event(name=as_text(told.pop("event", None)), fields=told)
