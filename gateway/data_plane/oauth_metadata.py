"""OAuth protected resource metadata, as a client of the local origin can use it. Pure.

Source: RFC 9728.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.edited import Editor
from gateway.data_plane.wire.request import WELL_KNOWN

#: What is longer is passed on as it is.
MOST_BYTES: Final = 65_536
PROTECTED_RESOURCE: Final = WELL_KNOWN + b"oauth-protected-resource"
# Ours, for metadata that are anywhere else: what stands behind it is where.
_ELSEWHERE: Final = PROTECTED_RESOURCE + b"?devwiz-gw-at="
_TARGET: Final = re.compile(rb"/[\x21\x22\x24-\x5b\x5d-\x7e]*+")


class MetadataTarget(bytes):
    """The target of a request that leads to metadata although it doesn't look like it."""


def announced(url: bytes, local: bytes, origin: OriginMap) -> bytes:
    """The local address of metadata that a challenge names. A server may have them at any path
    (section 5.1), and whoever comes for them has to be known again, by whichever worker.
    """
    mapped = origin.localised(url, local)
    before, rest = mapped.partition(local)[::2]
    if mapped == url or rest.startswith(PROTECTED_RESOURCE):
        return mapped
    path = rest.partition(b"#")[0]
    target = path if path.startswith(b"/") else b"/" + path
    return before + local + _ELSEWHERE + quote_from_bytes(target, safe="/").encode("ascii")


def meant(target: bytes) -> bytes:
    """What the upstream is to be asked for by whoever was told `announced`."""
    if not target.startswith(_ELSEWHERE):
        return target
    found = unquote_to_bytes(target[len(_ELSEWHERE) :])
    is_target = _TARGET.fullmatch(found) is not None and b"%00" not in found
    return MetadataTarget(found) if is_target else target


def leads_to_metadata(target: bytes) -> bool:
    """Whether protected resource metadata are there."""
    return target.startswith(PROTECTED_RESOURCE) or isinstance(target, MetadataTarget)


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
