"""Since when each secret has had the value that it has: as long as its mark has been the same."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.rotation.views import Age
from identity.atomic_file import write_atomic
from identity.private_folder import make_private

_NAME: Final = "secret-ages.json"


class Ages:
    """Remembers, in `state`, the project's state folder, when a value was first seen. What was
    there before anybody looked may be older than that; what came in another one's place is not.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / _NAME

    def of(self, secret: str) -> Age | None:
        """Since when the value is known; None for one that was never looked at."""
        entry = self._read().get(secret)
        if not isinstance(entry, dict):
            return None
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return Age(datetime.fromisoformat(entry["since"]), entry.get("is_begin") is True)
        return None

    def look(self, secret: str, fingerprint: str, now: datetime) -> None:
        """Remember that it has this value now. One that can't be remembered is looked at again."""
        known = self._read()
        entry = known.get(secret)
        if isinstance(entry, dict) and entry.get("fingerprint") == fingerprint:
            return
        known[secret] = {
            "fingerprint": fingerprint,
            "since": now.isoformat(),
            "is_begin": isinstance(entry, dict),
        }
        with contextlib.suppress(OSError):
            make_private(self._path.parent)
            write_atomic(self._path, json.dumps(known, indent=1).encode(), 0o600)

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}
