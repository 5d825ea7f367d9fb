"""When to ask for the next token. Pure: time and chance come in as arguments."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from identity.token_sources.base import Token

#: A token is replaced this long before its end, or a tenth of its life where that is more.
MARGIN_S: Final = 60.0
_MARGIN_PART: Final = 0.1
#: How much earlier than that chance may have it, so that many machines don't ask at once.
_SPREAD: Final = 0.2
#: How long a token is used whose source tells no end.
UNKNOWN_LIFE_S: Final = 300.0
#: The shortest time between two questions.
LEAST_PAUSE_S: Final = 1.0

_ROUNDING_S: Final = 0.01
_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 60.0
_DENIED_RETRY_S: Final = 30.0
_LONGEST_DENIED_S: Final = 300.0
_LONGEST_TOLD_S: Final = 3600.0


def pause_s(token: Token, now: datetime, chance: float) -> float:
    """How long to wait with the next question, `chance` being from 0 to 1."""
    waits = [] if token.ask_again_s is None else [token.ask_again_s]
    if token.expires_at is not None:
        left_s = (token.expires_at - now).total_seconds()
        waits.append(left_s - margin_s(left_s) * (1 + _SPREAD * chance))
    return max(LEAST_PAUSE_S, min(waits, default=UNKNOWN_LIFE_S))


def margin_s(life_s: float) -> float:
    """How long before its end a token of that life is replaced; at most half of its life."""
    return min(max(MARGIN_S, life_s * _MARGIN_PART), life_s / 2)


def is_due(*, issued_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Whether a kept token is to be replaced, at the latest when `pause_s` would have it asked."""
    life_s = (expires_at - issued_at).total_seconds()
    left_s = (expires_at - now).total_seconds()
    return left_s <= margin_s(life_s) * (1 + _SPREAD) + _ROUNDING_S


def retry_s(failures: int, chance: float, *, denied: bool, told_s: float | None) -> float:
    """How long to wait after so many failures in a row, the last of which `told_s`, if anything.

    A source that refuses is asked less often: there it takes a person, and servers count.
    """
    if told_s is not None:
        return min(max(told_s, LEAST_PAUSE_S), _LONGEST_TOLD_S)
    first_s, most_s = _FIRST_RETRY_S, _LONGEST_RETRY_S
    if denied:
        first_s, most_s = _DENIED_RETRY_S, _LONGEST_DENIED_S
    bound_s = min(most_s, first_s * 2.0 ** min(failures - 1, 16))
    return max(first_s, bound_s * (0.5 + chance / 2))
