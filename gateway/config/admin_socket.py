"""Where the gateway that serves a configuration file listens for commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def admin_socket(raw: Mapping[str, object], *, path: Path) -> Path:
    """The admin socket of the gateway that serves the file `path` holding `raw`.

    The default is beside the file and named after it (`acme.toml` → `acme.sock`): it depends on
    nothing but the file, so that `status` in any session finds the `serve` of any other.
    """
    admin = raw.get("admin")
    value = admin.get("socket") if isinstance(admin, Mapping) else None
    if isinstance(value, str) and value.startswith("unix:") and len(value) > len("unix:"):
        return path.parent / value.removeprefix("unix:")
    return path.with_suffix(".sock")
