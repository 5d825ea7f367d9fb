"""JSON, with the comments and trailing commas that editors allow: edited where the entry is, and
nowhere else. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.clients.files.base import Entry, FileFormat, NotEditable, Spot

_SKIP: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SIMPLE: Final = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.A)
_UNIT: Final = "  "
_DEEPEST: Final = 200


@dataclass(slots=True)
class _Member:
    """One key of an object; `comma` is where the one after it is, or -1."""

    key: str
    start: int
    value: _Node
    comma: int = -1


@dataclass(slots=True)
class _Node:
    """A value, and which part of the text it is. `members` are None unless it is an object."""

    start: int
    end: int
    value: Any
    members: list[_Member] | None = field(default=None)


class _Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> _Node:
        self._skip()
        if self._at == len(self._text):
            return _Node(self._at, self._at, {})
        node = self._value(0)
        self._skip()
        if self._at != len(self._text):
            raise self._wrong("there is more after the end")
        return node

    def _value(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self._wrong("it is nested too deeply")
        char = self._peek()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        start = self._at
        match = (_STRING if char == '"' else _SIMPLE).match(self._text, start)
        if match is None:
            raise self._wrong("a value is missing or misspelt")
        self._at = match.end()
        return _Node(start, self._at, self._decoded(match[0]))

    def _object(self, depth: int) -> _Node:
        start, members = self._opened(), list[_Member]()
        while self._peek() != "}":
            if members and members[-1].comma < 0:
                raise self._wrong("a comma is missing")
            match = _STRING.match(self._text, self._at)
            if match is None:
                raise self._wrong("a key is missing")
            key_at, self._at = self._at, match.end()
            self._skip()
            self._take(":")
            self._skip()
            member = _Member(str(self._decoded(match[0])), key_at, self._value(depth + 1))
            members.append(member)
            member.comma = self._comma()
        self._at += 1
        values = {member.key: member.value.value for member in members}
        return _Node(start, self._at, values, members)

    def _array(self, depth: int) -> _Node:
        start, items, comma = self._opened(), list[Any](), 0
        while self._peek() != "]":
            if comma < 0:
                raise self._wrong("a comma is missing")
            items.append(self._value(depth + 1).value)
            comma = self._comma()
        self._at += 1
        return _Node(start, self._at, items)

    def _opened(self) -> int:
        start = self._at
        self._at += 1
        self._skip()
        return start

    def _comma(self) -> int:
        """Where the comma after a value is, or -1."""
        self._skip()
        at = self._at
        if self._peek() != ",":
            return -1
        self._at += 1
        self._skip()
        return at

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, char: str) -> None:
        if self._peek() != char:
            raise self._wrong(f"{char!r} is missing")
        self._at += 1

    def _skip(self) -> None:
        match = _SKIP.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _decoded(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise self._wrong("a string is misspelt") from None

    def _wrong(self, why: str) -> NotEditable:
        line = self._text.count("\n", 0, self._at) + 1
        return NotEditable(f"this is no JSON that can be edited: line {line}: {why}")


def _read(text: str) -> dict[str, Any]:
    return dict(_root(text).value)


def _root(text: str) -> _Node:
    node = _Reader(text).document()
    if not isinstance(node.value, dict):
        raise NotEditable("this JSON file holds something else than an object")
    return node


def _put(text: str, spot: Spot, entry: Entry) -> str:
    root = _root(text)
    if root.members is None:
        return text + _rendered({spot.container: {spot.name: entry}}, "", _UNIT) + "\n"
    unit = _unit(text, root)
    container = _member(root, spot.container)
    if container is None:
        return _added(text, root, spot.container, {spot.name: entry}, unit)
    if container.value.members is None:  # null
        indent = _indent_at(text, container.start)
        return _spliced(text, container.value, _rendered({spot.name: entry}, indent, unit))
    old = _member(container.value, spot.name)
    if old is None:
        return _added(text, container.value, spot.name, entry, unit)
    return _spliced(text, old.value, _rendered(entry, _indent_at(text, old.start), unit))


def _drop(text: str, spot: Spot) -> str:
    root = _root(text)
    (container,) = (item for item in root.members or () if item.key == spot.container)
    return _removed(text, container.value, spot.name)


def _drop_container(text: str, spot: Spot) -> str:
    return _removed(text, _root(text), spot.container)


def _added(text: str, parent: _Node, key: str, value: Any, unit: str) -> str:
    """With one more member, the last one, on lines of its own unless the object is on one line."""
    members = parent.members or []
    body = text[parent.start : parent.end - 1]
    kept = text[: parent.end - 1].rstrip(" \t\r\n")
    if members and "\n" not in body:
        last = members[-1]
        comma = "" if last.comma >= 0 else ","
        shown = f"{comma} {_key(key)}: {json.dumps(value, ensure_ascii=False)}"
        return kept + shown + text[len(kept) :]
    outer = _indent_at(text, parent.start)
    indent = _indent_at(text, members[-1].start) if members else outer + unit
    shown = f"\n{indent}{_key(key)}: {_rendered(value, indent, unit)}"
    if not members:
        return f"{kept}{shown}\n{outer}{text[parent.end - 1 :]}"
    last = members[-1]
    if last.comma >= 0:
        return f"{kept}{shown},{text[len(kept) :]}"
    return f"{text[: last.value.end]},{text[last.value.end : len(kept)]}{shown}{text[len(kept) :]}"


def _removed(text: str, parent: _Node, key: str) -> str:
    """Without a member, its comma and the space in front of it; comments stay."""
    members = parent.members or []
    index = next(at for at, member in enumerate(members) if member.key == key)
    member = members[index]
    end = member.value.end if member.comma < 0 else member.comma + 1
    before, after = text[: member.start].rstrip(" \t\r\n"), text[end:]
    if "//" in before[before.rfind("\n") + 1 :] and not after.lstrip(" \t").startswith("\n"):
        # A line comment must not swallow what comes next.
        before += "\n"
    if len(members) == 1:
        alone = before.endswith("{") and after.lstrip(" \t\r\n").startswith("}")
        return before + (after.lstrip(" \t\r\n") if alone else after)
    if member.comma < 0:
        # It was the last, so the one before needs no comma any more.
        comma = members[index - 1].comma
        before = before[:comma] + before[comma + 1 :]
    return before + after


def _member(node: _Node, key: str) -> _Member | None:
    found = [member for member in node.members or () if member.key == key]
    if len(found) > 1:
        raise NotEditable(f"the key {key!r} is there twice", hint="remove one of them by hand")
    return found[0] if found else None


def _unit(text: str, root: _Node) -> str:
    """What one level is indented by in this file."""
    if root.members and "\n" in text[root.start : root.members[0].start]:
        return _indent_at(text, root.members[0].start) or _UNIT
    return _UNIT


def _indent_at(text: str, at: int) -> str:
    """The space that the line begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _rendered(value: Any, indent: str, unit: str) -> str:
    text = json.dumps(value, indent=unit, ensure_ascii=False)
    return text.replace("\n", f"\n{indent}")


def _spliced(text: str, node: _Node, fresh: str) -> str:
    return text[: node.start] + fresh + text[node.end :]


def _key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


JSONC: Final = FileFormat(
    name="JSON", read=_read, put=_put, drop=_drop, drop_container=_drop_container
)
