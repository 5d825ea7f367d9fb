"""Which address each session belongs to. Pure; every worker has a copy, and so has the supervisor.

A session is known by a key: a digest, because who has a session's id can use the session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.ipc.events import Event

Address = tuple[str, int]

#: What became of some sessions: bound to an address, or forgotten.
Changes = Mapping[str, Address | None]

#: How many sessions are known; beyond that the one that was quiet for the longest is forgotten.
MOST: Final = 10_000
#: How long a session may be quiet: an agent's user goes home in between.
IDLE_S: Final = 24 * 3600.0
#: How often the others are told that a session is still in use.
TOLD_EVERY_S: Final = IDLE_S / 24

_MOST_PORT: Final = 65_535
_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class _Binding:
    address: Address
    told_at: float
    used_at: float


class Sessions:
    """Addresses by the key of the session, the session used last being the last."""

    __slots__ = ("_bound",)

    def __init__(self) -> None:
        self._bound: dict[str, _Binding] = {}

    def __len__(self) -> int:
        return len(self._bound)

    def find(self, key: str, now: float) -> Address | None:
        """Where a session is; to ask is to use it."""
        binding = self._bound.pop(key, None)
        if binding is None or now - binding.used_at >= IDLE_S:
            return None
        binding.used_at = now
        self._bound[key] = binding
        return binding.address

    def bind(self, key: str, address: Address, now: float) -> bool:
        """A session is at an address; whether others should hear of it."""
        known = self._bound.pop(key, None)
        is_news = known is None or known.address != address or now - known.told_at >= TOLD_EVERY_S
        told_at = now if known is None or is_news else known.told_at
        self._bound[key] = _Binding(address, told_at, now)
        if len(self._bound) > MOST:
            del self._bound[next(iter(self._bound))]
        return is_news

    def forget(self, key: str) -> bool:
        """A session is over; whether others should hear of it."""
        return self._bound.pop(key, None) is not None

    def merge(self, changes: Changes, now: float) -> None:
        """Take over what somebody else told."""
        for key, address in changes.items():
            if address is None:
                self.forget(key)
            else:
                self.bind(key, address, now)

    def all(self, now: float) -> Changes:
        """All that is known, for somebody who knows nothing yet."""
        return {
            key: binding.address
            for key, binding in self._bound.items()
            if now - binding.used_at < IDLE_S
        }


def told(event: Event) -> Changes:
    """What a SESSION event of a worker says; nothing if it is malformed."""
    key, host, port = event.text("key"), event.text("host"), event.integer("port", -1)
    if not _KEY.fullmatch(key) or not 0 <= port <= _MOST_PORT:
        return {}
    return {key: (host, port) if host else None}


def encode_changes(changes: Changes) -> bytes:
    """Changes as the payload of a SESSIONS frame."""
    return json.dumps(changes, separators=(",", ":")).encode()


def decode_changes(payload: bytes) -> Changes:
    """Read what `encode_changes` wrote. The input comes from our own supervisor only."""
    raw: dict[str, list[Any] | None] = json.loads(payload)
    return {key: (value[0], value[1]) if value else None for key, value in raw.items()}
