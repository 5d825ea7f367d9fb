"""What is remembered of the last sync, as the secret store keeps it. Pure.

Of values there are fingerprints only, made with a key that is random and kept beside them: whoever
reads the item can read the values themselves, and nobody else learns which two are the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from identity.errors import SyncStateDamaged
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef
from identity.strict_json import strict_value

_VERSION: Final = 1
_ITEM: Final = f"{OWN_PREFIX}configu-sync"
_TOKEN: Final = f"{OWN_PREFIX}configu-token"
_FINGERPRINT_BYTES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """One config that was taken from Configu, or written to it; its fingerprints.

    Attributes:
        value: what Configu had, and the store has unless somebody set another one there.
        coming: what is being written into the store; it counts as `value` does.
        pending: what Configu was given and waits for approval.
        stale: whether Configu has it no more.
    """

    value: str = ""
    coming: str = ""
    pending: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SyncState:
    """All configs of a project, by key."""

    key: bytes
    synced: Mapping[str, Synced] = field(default_factory=dict)

    def fingerprint(self, name: str, value: str) -> str:
        """What a value of that config is known by."""
        told = f"{name}\0{value}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self.key, told, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:_FINGERPRINT_BYTES]).decode()


def state_ref(project: str) -> SecretRef:
    """Where the state is kept."""
    return SecretRef(project, _ITEM)


def token_ref(project: str) -> SecretRef:
    """Where the token is kept that `login configu` took."""
    return SecretRef(project, _TOKEN)


def encode(state: SyncState) -> Secret:
    """The item's value."""
    synced = {
        name: [item.value, item.coming, item.pending, int(item.stale)]
        for name, item in state.synced.items()
    }
    told = {"v": _VERSION, "key": base64.b64encode(state.key).decode(), "synced": synced}
    return Secret(json.dumps(told, separators=(",", ":")))


def decode(value: Secret) -> SyncState:
    """What `encode` made. Raises `SyncStateDamaged`."""
    try:
        told = _versioned(strict_value(value.reveal()))
        synced = {name: _synced(item) for name, item in told["synced"].items()}
        return SyncState(key=base64.b64decode(told["key"], validate=True), synced=synced)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SyncStateDamaged(
            "what is remembered of the last sync can't be read",
            hint="run: devwiz-gw sync --forget, then sync again",
        ) from None


def _versioned(told: dict[str, Any]) -> dict[str, Any]:
    if told["v"] != _VERSION:
        raise ValueError(told["v"])
    return told


def _synced(item: Any) -> Synced:
    value, coming, pending, stale = item
    if not all(isinstance(text, str) for text in (value, coming, pending)):
        raise TypeError(item)
    return Synced(value=value, coming=coming, pending=pending, stale=bool(stale))
