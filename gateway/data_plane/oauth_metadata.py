"""OAuth protected resource metadata, as a client of the local origin can use it. Pure.

Source: RFC 9728.
"""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.edited import Editor
from gateway.data_plane.wire.request import WELL_KNOWN

#: What is longer is passed on as it is.
MOST_BYTES: Final = 65_536
PROTECTED_RESOURCE: Final = WELL_KNOWN + b"oauth-protected-resource"


class ProtectedResource(Editor):
    """Maps `resource`, which a client compares with the URL that it dialled (section 3.3), and
    tells the upstream's own in `_original_resource`.
    """

    __slots__ = ("_held", "_local", "_origin")

    def __init__(self, origin: OriginMap, local: bytes) -> None:
        self._origin = origin
        self._local = local
        self._held = b""
        self.done = False

    def feed(self, payload: bytes) -> bytes:
        """See `Editor`."""
        if self.done:
            return payload
        held, self._held = self._held + payload, b""
        if len(held) > MOST_BYTES:
            self.done = True
            return held
        self._held = held
        return b""

    def end(self) -> bytes:
        """See `Editor`."""
        held, self._held = self._held, b""
        self.done = True
        document = _object(held)
        resource = document.get("resource")
        if not isinstance(resource, str) or not resource.isascii():
            return held
        mapped = self._origin.localised(resource.encode("ascii"), self._local).decode("ascii")
        if mapped == resource:
            return held
        edited = document | {"resource": mapped, "_original_resource": resource}
        try:
            # A number may be too large for everybody, and would be written as no JSON.
            return json.dumps(edited, allow_nan=False).encode("ascii")
        except (ValueError, RecursionError):
            return held


def _object(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
