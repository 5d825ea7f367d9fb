"""Regular expressions as JavaScript writes them (ECMA-262, 22.2), for Python's engine. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_MOST_CHARS: Final = 1000
#: Nothing, and anything, to JavaScript; Python takes the bracket for a member.
_EMPTY_CLASS: Final = re.compile(r"\[\^?\]")
#: What only Python has: flags, remarks, conditions, `(?P<name>`, `(?>`, repetitions like `a++`.
_FOREIGN: Final = re.compile(r"\(\?(?![:=!<])|[*+?]\+|\{[0-9]+(?:,[0-9]*)?\}\+")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """The expression. Raises `ValueError` for one that the two don't share.

    What would differ is written anew: `$` stands for the very end, and a group's name begins
    with `?<`.
    """
    if len(pattern) > _MOST_CHARS:
        raise ValueError("the pattern is too long")
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("the pattern can't be read") from None


def _translated(pattern: str) -> str:
    parts: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        step = _token(pattern, at)
        is_empty = not in_class and _EMPTY_CLASS.match(pattern, at) is not None
        is_foreign = not in_class and _FOREIGN.match(pattern, at) is not None
        if is_empty or is_foreign or step in {"\\p", "\\P", "\\k", "\\Z", "\\A"}:
            raise ValueError(f"the pattern has {step}, which is not known here")
        if in_class:
            in_class = step != "]"
            parts.append("\\[" if step == "[" else step)
        else:
            in_class = step == "["
            parts.append({"$": r"\Z", "(?<": "(?P<"}.get(step, step))
        at += len(step)
    return "".join(parts)


def _token(pattern: str, at: int) -> str:
    if pattern[at] == "\\":
        return pattern[at : at + 2]
    if pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in {"=", "!"}:
        return "(?<"
    return pattern[at]
