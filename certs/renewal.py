"""When to renew, and what state an identity is in: functions of a clock and of randomness."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Final

#: The longest wait before the clock is looked at again: after a laptop slept, a wait that was
#: counted in running time ends late, and the wall clock tells.
TICK: Final = timedelta(seconds=15)

_EARLIEST: Final = 0.5
_SPREAD: Final = 0.1
_BACKOFF_FIRST_S: Final = 1.0
_BACKOFF_MOST_S: Final = 60.0
_DENIED_WAIT_S: Final = 60.0
_LONGEST_RETRY_AFTER_S: Final = 3600.0


class IdentityState(Enum):
    """Where the one identity of the gateway stands."""

    WAITING = "waiting"  # none was ever obtained
    VALID = "valid"
    DEGRADED = "degraded"  # still valid, but the last renewal failed
    EXPIRED = "expired"


def identity_state(
    not_after: datetime | None, now: datetime, *, last_attempt_failed: bool
) -> IdentityState:
    """The state that follows from the leaf's end and the outcome of the last attempt."""
    if not_after is None:
        return IdentityState.WAITING
    if now >= not_after:
        return IdentityState.EXPIRED
    return IdentityState.DEGRADED if last_attempt_failed else IdentityState.VALID


def renew_at(
    not_before: datetime,
    not_after: datetime,
    spread: float,
    *,
    obtained: datetime,
    suggested: datetime | None = None,
) -> datetime:
    """The time of the next renewal: a point between 50 and 60 % of the time that was left when the
    identity was obtained, or the issuer's own wish where it lies within the life.

    `spread` is a random number of 0–1, drawn once for each identity, so that many gateways that
    started together drift apart. The life is counted from `obtained` when the leaf is back-dated
    or the clocks differ: a leaf is never due at the moment when it arrives.
    """
    begin = max(not_before, obtained)
    left = not_after - begin
    if suggested is not None and begin + left * 0.1 <= suggested <= not_after - left * 0.1:
        return suggested
    return begin + left * (_EARLIEST + _SPREAD * spread)


def floor_between(life: timedelta) -> timedelta:
    """The least time between two renewals that succeeded, whatever anybody asks for: an issuer
    that hands out leaves which are due at once must not be asked in a loop.
    """
    return max(timedelta(seconds=5), life * 0.01)


def backoff(previous_s: float, draw: float) -> float:
    """Seconds to wait after a failure: decorrelated jitter between 1 and 60.

    `previous_s` is the last wait (0 after a success), `draw` a random number of 0–1.
    """
    most = min(_BACKOFF_MOST_S, max(previous_s, _BACKOFF_FIRST_S) * 3)
    return _BACKOFF_FIRST_S + (most - _BACKOFF_FIRST_S) * draw


def retry_wait(
    backoff_s: float,
    *,
    retry_after_s: float | None,
    denied: bool,
    left_s: float | None,
) -> float:
    """Seconds to the next attempt after a failed one.

    The source's Retry-After is honoured within an hour. A denial is asked about again slowly: a
    person may have changed something. While the identity still lives, a wait never reaches past
    its last tenth, so that somebody who comes back in time finds us asking.
    """
    wait = max(backoff_s, _DENIED_WAIT_S) if denied else backoff_s
    if retry_after_s is not None:
        wait = max(wait, min(retry_after_s, _LONGEST_RETRY_AFTER_S))
    elif left_s is not None and left_s > 0:
        wait = min(wait, max(_BACKOFF_FIRST_S, left_s / 10))
    return wait


def next_wait(now: datetime, due: datetime) -> float:
    """Seconds to sleep now: until `due`, at most one tick."""
    return max(0.0, min(due - now, TICK).total_seconds())
