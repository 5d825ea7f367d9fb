"""JSON that another process wrote, taken for what it should be or for a broken link. Pure.

Each function raises `FrameError` for what is not as it says, and nothing else.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from gateway.ipc.frames import FrameError

_MOST_INTEGER: Final = 2**63
#: The end of the year 9999 as a Unix time: what is greater can't be shown as a date.
_MOST_SECONDS: Final = 253_402_300_800
_MOST_TEXT: Final = 4096


def parse_object(payload: bytes) -> dict[str, Any]:
    """The JSON object in `payload`."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise FrameError("a payload is not JSON") from None
    return as_object(value)


def as_object(value: object) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise FrameError(f"an object was expected, not {type(value).__name__}")
    return value


def as_integer(value: object) -> int:
    """A whole number that fits in 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _MOST_INTEGER:
        raise FrameError(f"a whole number was expected, not {type(value).__name__}")
    return value


def as_seconds(value: object) -> float:
    """A span or a Unix time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FrameError(f"a number was expected, not {type(value).__name__}")
    if not 0 <= value < _MOST_SECONDS:
        raise FrameError("a time is out of range")
    return float(value)


def as_text(value: object) -> str:
    """A text, cut to a sane length; what UTF-8 can't hold, such as a part of a file's name that is
    in no known encoding, is shown as an escape.
    """
    if not isinstance(value, str):
        raise FrameError(f"a text was expected, not {type(value).__name__}")
    return value[:_MOST_TEXT].encode("utf-8", "backslashreplace").decode()


def as_scalar(value: object) -> str | int | float | None:
    """A text, a finite number, a truth value or nothing."""
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value if value is None or isinstance(value, bool) else as_integer(value)


def as_counts(value: object) -> dict[str, int]:
    """Whole numbers by name."""
    return {as_text(key): as_integer(count) for key, count in as_object(value).items()}
