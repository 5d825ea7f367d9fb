"""The log's lines of JSON as text for a person who watches a terminal. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

#: What the beginning of a line says, or what nobody wants to read there.
_SAID: Final = frozenset(("ts", "level", "logger", "message", "event", "taskName"))


def readable(lines: bytes) -> bytes:
    """Newline-terminated lines of the log, each as text; what is no JSON object stays as it is."""
    return b"".join(_readable(line) + b"\n" for line in lines.splitlines())


def _readable(line: bytes) -> bytes:
    try:
        values = json.loads(line)
    except ValueError:
        return line
    if not isinstance(values, dict):
        return line
    text = _request(values) if values.get("event") == "request" else _record(values)
    return f"{_time(values)} {_printable(text)}".encode("utf-8", "replace")


def _time(values: Mapping[str, Any]) -> str:
    return _printable(str(values.get("ts", "")).partition("T")[2] or "-")


def _record(values: Mapping[str, Any]) -> str:
    more = [f"{key}={value}" for key, value in values.items() if key not in _SAID]
    level = str(values.get("level", "info"))
    return "  ".join([f"{level:<7} {values.get('message', '')}", *more])


def _request(values: Mapping[str, Any]) -> str:
    """Who asked for what, and what came of it."""
    called = " ".join(str(values[key]) for key in ("mcp_method", "mcp_name") if values.get(key))
    why = ": ".join(str(values[key]) for key in ("reason", "detail") if values.get(key))
    told = [
        f"{values.get('method', '-')} {values.get('path', '')}",
        called,
        f"{values.get('status', 0)} in {values.get('total_ms', 0)} ms",
        why,
        str(values.get("caller", "")),
        str(values.get("id", "")),
    ]
    return f"request {values.get('route', '')}  " + "  ".join(filter(None, told))


def _printable(text: str) -> str:
    """Control characters as escapes: nothing that came from outside steers the terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
