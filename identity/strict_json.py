"""JSON from strangers, read so that two readers can't see different things in it. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def strict_value(text: str | bytes) -> Any:
    """The JSON value of `text`; of bytes only UTF-8 is taken (RFC 8259 §8.1), and not what
    `json.loads` guesses. A byte order mark before it is left out. A text in it may hold half of a
    surrogate pair (§8.2), which no encoding takes: whoever passes it on has to see to that.

    Raises:
        ValueError: it is something else; or readers differ about it: an object has a name twice
            (§4), a number isn't JSON's (`NaN`) or too large for a double (§6), or it is nested too
            deeply (§9).
    """
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8-sig"),
            object_pairs_hook=_each_name_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
