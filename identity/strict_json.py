"""JSON from strangers, read so that two readers can't see different things in it. Pure."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def strict_value(text: str | bytes) -> Any:
    """The JSON value of `text`.

    Raises:
        ValueError: it is something else, an object has a name twice (RFC 8259 §4 leaves open which
            one counts), a number isn't JSON's (`NaN`, §6), or it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=each_name_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members, as `object_pairs_hook` of `json.loads`. Raises `ValueError`."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
