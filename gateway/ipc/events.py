"""Events that a worker tells the supervisor, each a JSON object {"event": name, …}."""

from __future__ import annotations

import json
from typing import Final

#: The upstream refused our certificate after the handshake (TLS 1.3). Fields: route, alert, cause,
#: generation. The supervisor asks the rotation for one refresh.
LATE_ALERT: Final = "late_alert"

#: A request found the identity expired by the wall clock, or none at all. Fields: generation (0:
#: none). The supervisor has the rotation try again, unless it has a good identity by now.
IDENTITY_EXPIRED: Final = "identity_expired"

#: A local caller was refused. Fields: route, listener, reason.
CALLER_DENIED: Final = "caller_denied"

#: A snapshot could not be applied to one route (unreadable bundle …). Fields: route, reason.
ROUTE_REJECTED: Final = "route_rejected"

#: A line for the program's log. Fields: level ("warning"…), message, and any others.
LOG: Final = "log"


def encode_event(event: str, **fields: object) -> bytes:
    """An event as the payload of an EVENT frame. Fields must be JSON values and hold no secret."""
    return json.dumps({"event": event, **fields}, separators=(",", ":")).encode()
