"""`devwiz-gw` with security keys in software plugged in: `key_command STATE ARGUMENT…`.

The keys are in the JSON file STATE, which a test changes between commands as a person would the
keys: in and out, touched or not.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from gateway.cli.main import main
from identity.mfa import device
from tests.fakes.authenticator import Authenticator

_KEPT = ("pin", "touches", "counter", "tries")


class Drawer:
    """The file of keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: list[tuple[dict[str, Any], Authenticator]] = []

    def add(self, seed: bytes, **more: Any) -> None:
        """One more key, plugged in."""
        self._write([*self.read(), {"seed": seed.hex(), "plugged": True, **more}])

    def change(self, number: int, **more: Any) -> None:
        """Change something of the key that was added as the `number`th, from 0."""
        keys = self.read()
        keys[number] |= more
        self._write(keys)

    def read(self) -> list[dict[str, Any]]:
        """All keys."""
        found: list[dict[str, Any]] = (
            json.loads(self.path.read_text()) if self.path.exists() else []
        )
        return found

    def plugged_in(self) -> list[Authenticator]:
        """Those that are plugged in, which keep what they count."""
        self._known = []
        for kept in self.read():
            more = {name: kept[name] for name in _KEPT if name in kept}
            key = Authenticator(seed=bytes.fromhex(kept["seed"]), after_call=self.save, **more)
            if kept.get("leaves"):  # taken out while it blinks
                key.on_touch = partial(setattr, key, "unplugged", True)
            self._known.append((kept, key))
        return [key for kept, key in self._known if kept["plugged"]]

    def save(self) -> None:
        """Keep what the keys count."""
        for kept, key in self._known:
            kept |= {name: getattr(key, name) for name in _KEPT}
        self._write([kept for kept, _ in self._known])

    def _write(self, keys: list[dict[str, Any]]) -> None:
        self.path.write_text(json.dumps(keys))


if __name__ == "__main__":
    device.plugged_in = Drawer(Path(sys.argv[1])).plugged_in
    sys.exit(main(sys.argv[2:]))
