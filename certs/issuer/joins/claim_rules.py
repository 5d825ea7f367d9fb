"""Which claims of an identity token let its holder in. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from certs.issuer.policy import InvalidPolicy

_MAX_TEXT: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """One claim and the values that will do.

    Attributes:
        path: the claim's name; one that begins with "/" is a JSON pointer (RFC 6901) to a claim
            inside others.
        equals: values, letter by letter. Numbers and booleans are written as in JSON.
        like: patterns, in which `*` stands for any run of characters, also an empty one.

    Raises:
        InvalidPolicy: no value is given, or one that lets everything in.
    """

    path: str
    equals: tuple[str, ...] = ()
    like: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        texts = (self.path, *self.equals, *self.like)
        if len(texts) == 1 or not all(0 < len(text) <= _MAX_TEXT for text in texts):
            raise InvalidPolicy(
                f"the rule for claim {self.path[:40]!r} is not usable",
                hint=f"give a claim and at least one value, each of up to {_MAX_TEXT} characters",
            )
        if any(not text.strip("*") for text in self.like):
            raise InvalidPolicy(
                f"the pattern for claim {self.path[:40]!r} lets everybody in",
                hint="write down what the claim has to begin or end with",
            )

    def is_met_by(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claim is there with a value that will do; of a list, any item may."""
        value = _found(claims, self.path)
        items = value if isinstance(value, list) else [value]
        return any(self._takes(_text(item)) for item in items)

    def _takes(self, text: str | None) -> bool:
        if text is None:
            return False
        return text in self.equals or any(_is_like(text, pattern) for pattern in self.like)


def _found(claims: Mapping[str, Any], path: str) -> Any:
    if not path.startswith("/"):
        return claims.get(path)
    value: Any = claims
    for step in path[1:].split("/"):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step.replace("~1", "/").replace("~0", "~"))
    return value


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int) else None


def _is_like(text: str, pattern: str) -> bool:
    """Match from left to right, each part at its first place: linear, whatever the text."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(rest[-1]) and len(text) - len(rest[-1]) >= at
