"""JSON as Configu reads it: strictly, and values of configs as what they stand for. Pure."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def strict(text: str | bytes) -> Any:
    """The JSON value of `text`.

    Raises:
        ValueError: it is something else, an object has a name twice, or a number isn't JSON's.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parsed(value: str) -> Any:
    """What a config's value stands for: a JSON value, or the text itself."""
    try:
        return strict(value)
    except ValueError:
        return value


def form_of(value: object) -> str:
    """A text that equal JSON values share: 1 is 1.0, and neither is true."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
