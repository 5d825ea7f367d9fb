"""How a value is laid out in keychain items of a limited size. Pure.

Every item starts with the layout's version and a letter for its kind, so that no value can be
taken for anything else and none starts with a character that a keychain treats specially (Windows
drops a leading byte order mark):

    1=TEXT        the whole value
    1#JSON        a head: the value is in `count` shards of generation `generation`
    1-TEXT        a shard
    1!JSON        a journal: generations that may be left over from a write that was cut short

Sizes are counted in UTF-16 code units, in which Windows' limit is; on other systems an item's
limit, where there is one, is far away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from identity.secret_stores.base import MAX_VALUE_BYTES
from identity.strict_json import strict_value

_WHOLE: Final = "1="
_HEAD: Final = "1#"
_SHARD: Final = "1-"
_JOURNAL: Final = "1!"
_PREFIX_UNITS: Final = 2


class Damaged(Exception):
    """An item does not hold what its layout promises. The message has no part of a value."""


@dataclass(frozen=True, slots=True)
class Shards:
    """One generation of shards: its random name, and how many there are."""

    generation: str
    count: int


@dataclass(frozen=True, slots=True)
class Head:
    """What the item at the value's own address says about a value kept in shards."""

    shards: Shards
    sha256: str


@dataclass(frozen=True, slots=True, repr=False)
class Encoded:
    """A value as items: the one at its address, and its shards, in order, if it needs any."""

    head: str
    shards: Shards | None = None
    parts: tuple[str, ...] = ()


def encode(value: str, *, generation: str, limit: int | None) -> Encoded:
    """Lay `value` out in items of at most `limit` units; `generation` names its shards."""
    if limit is None or units(value) + _PREFIX_UNITS <= limit:
        return Encoded(_WHOLE + value)
    parts = tuple(_SHARD + part for part in split(value, limit - _PREFIX_UNITS))
    head = {"generation": generation, "count": len(parts), "sha256": _digest(value)}
    return Encoded(_HEAD + json.dumps(head), Shards(generation, len(parts)), parts)


def decode(item: str) -> str | Head:
    """The value in an item, or the head that leads to it. Raises `Damaged`."""
    if item.startswith(_WHOLE):
        return item.removeprefix(_WHOLE)
    if not item.startswith(_HEAD):
        raise Damaged("it was not written by this program, or by a later version")
    try:
        raw = strict_value(item.removeprefix(_HEAD))
        return Head(_shards(raw), str(raw["sha256"]))
    except (ValueError, KeyError, TypeError):
        raise Damaged("its head is not readable") from None


def join(head: Head, shards: Sequence[str | None]) -> str:
    """The value of which `shards` are the items found, in order. Raises `Damaged`."""
    parts = []
    for index, shard in enumerate(shards, start=1):
        if shard is None or not shard.startswith(_SHARD):
            raise Damaged(f"part {index} of {head.shards.count} is missing")
        parts.append(shard.removeprefix(_SHARD))
    value = "".join(parts)
    if _digest(value) != head.sha256:
        raise Damaged("its parts don't belong together")
    return value


def encode_journal(generations: Sequence[Shards]) -> str:
    """The item that names generations which are being written or removed."""
    return _JOURNAL + json.dumps([asdict(shards) for shards in generations])


def decode_journal(item: str | None) -> tuple[Shards, ...]:
    """The generations in a journal item; none when it is missing or unreadable."""
    if item is None or not item.startswith(_JOURNAL):
        return ()
    try:
        return tuple(_shards(entry) for entry in strict_value(item.removeprefix(_JOURNAL)))
    except (ValueError, KeyError, TypeError):
        return ()


def _shards(raw: Any) -> Shards:
    """Raises ValueError for more than any value has: each would be asked for."""
    shards = Shards(str(raw["generation"]), int(raw["count"]))
    if not 0 <= shards.count <= MAX_VALUE_BYTES:
        raise ValueError("more shards than a value has")
    return shards


def units(text: str) -> int:
    """The UTF-16 code units of `text`."""
    return len(text) + sum(char > "\uffff" for char in text)


def split(text: str, size: int) -> Iterator[str]:
    """Cut into parts of at most `size` (two or more) UTF-16 code units, between characters."""
    start = used = 0
    for index, char in enumerate(text):
        width = 2 if char > "\uffff" else 1
        if used + width > size:
            yield text[start:index]
            start, used = index, 0
        used += width
    yield text[start:]


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
