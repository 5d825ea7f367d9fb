"""TOML: an entry is a table of its own, found without touching the lines around it. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from gateway.clients.files.base import Entry, FileFormat, NotEditable, Spot

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"[ \t]*\[")


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditable(f"this is no TOML: {error}") from None


def _put(text: str, spot: Spot, entry: Entry) -> str:
    fresh = _rendered(spot, entry)
    lines = text.splitlines(keepends=True)
    parts = list(_parts(lines, spot))
    if not parts:
        newline = "" if not text or text.endswith("\n") else "\n"
        gap = "\n" if text.strip() else ""
        return f"{text}{newline}{gap}{fresh}"
    for start, end in reversed(parts):
        lines[start:end] = []
    lines.insert(parts[0][0], fresh)
    return "".join(lines)


def _drop(text: str, spot: Spot) -> str:
    lines = text.splitlines(keepends=True)
    for start, end in reversed(list(_parts(lines, spot))):
        # The line that was left free in front of it.
        gap = start > 0 and not lines[start - 1].strip()
        last = end == len(lines) or not lines[end].strip()
        lines[start - (gap and last) : end] = []
    return "".join(lines)


def _drop_container(text: str, spot: Spot) -> str:
    lines = text.splitlines(keepends=True)
    for start, path in reversed(list(_headers(lines))):
        if path == (spot.container,):
            del lines[start]
    return "".join(lines)


def _parts(lines: list[str], spot: Spot) -> Iterator[tuple[int, int]]:
    """The lines of the entry's tables, from each header to its last line that says something: the
    comments in front of the next header are the next table's.
    """
    wanted = (spot.container, spot.name)
    headers = [*_headers(lines), (len(lines), ())]
    for (start, path), (following, _) in pairwise(headers):
        if path[:2] == wanted:
            end = following
            while end > start + 1 and not lines[end - 1].split("#")[0].strip():
                end -= 1
            yield start, end


def _headers(lines: list[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Where tables begin, and their dotted names. What looks like a header inside of a string or a
    list isn't one: there the text in front of it is no whole TOML.
    """
    for at, line in enumerate(lines):
        if _HEADER.match(line) and _is_whole("".join(lines[:at])):
            yield at, _path(line)


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _path(header: str) -> tuple[str, ...]:
    try:
        found: Any = tomllib.loads(header)
    except ValueError:
        return ()
    path = []
    while isinstance(found, list | dict) and found:
        if isinstance(found, list):
            found = found[0]
            continue
        ((key, found),) = found.items()
        path.append(key)
    return tuple(path)


def _rendered(spot: Spot, entry: Entry) -> str:
    lines = [f"[{toml_key(spot.container)}.{toml_key(spot.name)}]"]
    lines += [f"{toml_key(key)} = {toml_value(value)}" for key, value in entry.items()]
    return "".join(f"{line}\n" for line in lines)


def toml_value(value: Any) -> str:
    """A text, number, flag, list or table, in one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    # A basic string is one of JSON. What can't be seen is written so that it can.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else toml_value(key)


TOML: Final = FileFormat(
    name="TOML", read=_read, put=_put, drop=_drop, drop_container=_drop_container
)
