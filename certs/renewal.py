"""When to renew, and what state an identity is in: functions of a clock and of randomness. Pure.

A life is counted from the moment when the identity was obtained, because issuers back-date leaves
for peers whose clocks are slow: a leaf of 20 s, back-dated by 60, would be due before it arrives.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

#: The longest wait before the clock is looked at again: after a laptop slept, a wait that was
#: counted in running time ends late, and the wall clock tells.
TICK: Final = timedelta(seconds=15)

# Issuers in use back-date by 10 s (SPIRE) to 2 min (Istio). What is older was not made for us now.
_MOST_BACKDATE: Final = timedelta(minutes=2)
_FLOOR_LEAST: Final = timedelta(seconds=5)
_FLOOR_SHARE: Final = 0.01
_EARLIEST: Final = 0.5
_SPREAD: Final = 0.1
_EARLIEST_SUGGESTED: Final = 0.1
_MUST_HAVE_LEFT: Final = 0.1
_MUST_HAVE_LEFT_SHORT: Final = 0.25
_MUST_HAVE_LEAST: Final = timedelta(minutes=2)
_BACKOFF_FIRST_S: Final = 1.0
_BACKOFF_MOST_S: Final = 60.0
_DENIED_WAIT_S: Final = 60.0
_LONGEST_RETRY_AFTER_S: Final = 3600.0


class IdentityState(Enum):
    """Where the one identity of the gateway stands."""

    WAITING = "waiting"  # none was ever obtained
    VALID = "valid"
    RENEWING = "renewing"  # due or asked for, and the source has not given a new one yet
    LOCKED = "locked"  # the source keeps us out until somebody lets us in again
    DEGRADED = "degraded"  # valid, but refused by the source, or past the point of must-have
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times of one identity.

    Attributes:
        begin: where its life is counted from.
        renew_at: when to ask for its successor.
        must_have: when the successor ought to be there; people should know if it isn't.
        not_after: its end.
    """

    begin: datetime
    renew_at: datetime
    must_have: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When the source is asked next. Each event gives the next plan.

    Attributes:
        schedule: of the identity in use; None before the first.
        due: the time at which the source is asked by itself.
        earliest: the time before which it is not asked, whoever wishes it.
        earliest_news: the same for when the source itself says that it has something new.
        backoff_s: the last wait drawn; 0 when the last reply was good.
        failures: attempts that failed since the last good reply.
        is_denied: the last of them was refused by the source.
        is_locked: it was, and may not be for ever.
    """

    due: datetime
    earliest: datetime
    earliest_news: datetime
    schedule: Schedule | None = None
    backoff_s: float = 0.0
    failures: int = 0
    is_denied: bool = False
    is_locked: bool = False


def life_begin(not_before: datetime, obtained: datetime) -> datetime:
    """Where a leaf's life is counted from: from `obtained`, as far as its start may have been
    back-dated; a leaf that was old when it came stays old.
    """
    return max(not_before, min(obtained, not_before + _MOST_BACKDATE))


def renew_at(
    begin: datetime, not_after: datetime, draw: float, *, suggested: datetime | None = None
) -> datetime:
    """A point between 50 and 60 % of life, or the issuer's wish, kept between 10 % of life and the
    point of must-have.

    `draw` is a random number of 0–1, drawn once for each identity, so that many gateways that
    started together drift apart.
    """
    life = not_after - begin
    if suggested is not None:
        return min(
            max(suggested, begin + life * _EARLIEST_SUGGESTED), must_have_at(begin, not_after)
        )
    return begin + life * (_EARLIEST + _SPREAD * draw)


def instant_in(start: datetime, end: datetime, draw: float) -> datetime | None:
    """A point in the window that an issuer suggests; None where it is no window, and our own rule
    holds. The same `draw` (0–1) gives the same point, so a window that is told again moves nothing.
    """
    return start + (end - start) * draw if start < end else None


def draw_from(serial: str) -> float:
    """A number of 0–1 that stays with a certificate: serial numbers are random."""
    digest = hashlib.sha256(serial.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def must_have_at(begin: datetime, not_after: datetime) -> datetime:
    """When a successor ought to be there: 2 minutes or 10 % of life before the end, whichever is
    earlier; for short lives, 25 % before it.
    """
    life = not_after - begin
    left = max(life * _MUST_HAVE_LEFT, _MUST_HAVE_LEAST)
    return not_after - min(left, life * _MUST_HAVE_LEFT_SHORT)


def schedule(
    not_before: datetime,
    not_after: datetime,
    *,
    obtained: datetime,
    draw: float,
    suggested: datetime | None = None,
) -> Schedule:
    """All times of an identity that was obtained at `obtained`."""
    begin = life_begin(not_before, obtained)
    return Schedule(
        begin=begin,
        renew_at=renew_at(begin, not_after, draw, suggested=suggested),
        must_have=must_have_at(begin, not_after),
        not_after=not_after,
    )


def moved(kept: Schedule, suggested: datetime | None) -> Schedule:
    """The times of an identity whose issuer may have changed its wish; None: it has none.

    Somebody asked for that, so a young identity follows as well: the floor alone holds it back.
    """
    if suggested is None:
        return kept
    soonest = kept.begin + floor_between(kept.not_after - kept.begin)
    return replace(kept, renew_at=min(max(suggested, soonest), kept.must_have))


def floor_between(life: timedelta) -> timedelta:
    """The least time between two renewals that succeeded, whatever anybody asks for: an issuer
    that hands out leaves which are due at once must not be asked in a loop.

    Never more than half of the life: a renewal that came after the end would find the identity
    lost, and there may be no second join token.
    """
    return min(max(_FLOOR_LEAST, life * _FLOOR_SHARE), life * _EARLIEST)


def backoff(previous_s: float, draw: float) -> float:
    """Seconds to wait after a failure: decorrelated jitter between 1 and 60.

    `previous_s` is the last wait (0 after a success), `draw` a random number of 0–1.
    """
    most = min(_BACKOFF_MOST_S, max(previous_s, _BACKOFF_FIRST_S) * 3)
    return _BACKOFF_FIRST_S + (most - _BACKOFF_FIRST_S) * draw


def retry_wait(
    backoff_s: float, *, retry_after_s: float | None, is_denied: bool, left_s: float | None
) -> float:
    """Seconds to the next attempt after a failed one.

    The source's Retry-After is honoured within an hour. A denial is asked about again slowly: a
    person may have changed something. Otherwise a wait takes at most a tenth of what is left of
    the identity's life (`left_s`), so attempts come faster as the end nears.
    """
    if is_denied:
        wait = _DENIED_WAIT_S
    elif left_s is not None and left_s > 0:
        wait = min(backoff_s, max(_BACKOFF_FIRST_S, left_s / 10))
    else:
        wait = backoff_s
    if retry_after_s is not None:
        wait = max(wait, min(retry_after_s, _LONGEST_RETRY_AFTER_S))
    return wait


def start(now: datetime) -> Plan:
    """The plan before the first attempt: ask at once."""
    return Plan(due=now, earliest=now, earliest_news=now)


def renewed(plan: Plan, got: Schedule, now: datetime, draw: float) -> Plan:
    """The plan after a good reply. One that was due for renewal when it came is asked about again
    at the pace of failures.

    News of the source wait for the least floor only: a file that was swapped for a better one must
    not wait for a part of the long life of the one that it replaces.
    """
    floor = floor_between(got.not_after - got.begin)
    earliest = now + floor
    wait_s = backoff(plan.backoff_s, draw) if got.renew_at <= now else 0.0
    due = max(got.renew_at, earliest, now + timedelta(seconds=wait_s))
    return Plan(
        schedule=got,
        due=due,
        earliest=earliest,
        earliest_news=now + min(floor, _FLOOR_LEAST),
        backoff_s=wait_s,
    )


def failed(
    plan: Plan,
    now: datetime,
    draw: float,
    *,
    retry_after_s: float | None = None,
    is_denied: bool = False,
    is_locked: bool = False,
) -> Plan:
    """The plan after an attempt that gave nothing; the identity in use stays."""
    backoff_s = backoff(plan.backoff_s, draw)
    left_s = (plan.schedule.not_after - now).total_seconds() if plan.schedule else None
    wait_s = retry_wait(backoff_s, retry_after_s=retry_after_s, is_denied=is_denied, left_s=left_s)
    due = now + timedelta(seconds=wait_s)
    # A wish shortens our own waits, never the one that the source asked for.
    earliest = due if retry_after_s is not None else now + timedelta(seconds=_BACKOFF_FIRST_S)
    return replace(
        plan,
        due=due,
        earliest=min(earliest, due),
        earliest_news=min(earliest, due),
        backoff_s=backoff_s,
        failures=plan.failures + 1,
        is_denied=is_denied,
        is_locked=is_locked,
    )


def withdrawn(plan: Plan, now: datetime) -> Plan:
    """The plan after the source took the identity back: its end is now."""
    if plan.schedule is None:
        return plan
    return replace(plan, schedule=replace(plan.schedule, not_after=now))


def slept(plan: Plan, now: datetime) -> Plan:
    """The plan after the machine slept until `now`: a failing source gets a fresh start, as the
    network is another. What was waited for has passed meanwhile.
    """
    if not plan.failures:
        return plan
    return replace(plan, due=max(now, plan.earliest), backoff_s=0.0)


def clock_set(plan: Plan, by: timedelta) -> Plan:
    """The plan after somebody set the wall clock, either way: what is waited for keeps its length,
    and what hangs on the life of the identity its time of day.
    """
    earliest = plan.earliest + by
    due = plan.due + by
    if plan.schedule is not None and not plan.failures:
        is_waiting = plan.backoff_s > 0
        due = max(plan.schedule.renew_at, earliest, due if is_waiting else earliest)
    return replace(plan, due=due, earliest=earliest, earliest_news=plan.earliest_news + by)


def next_attempt(plan: Plan, *, is_wanted: bool, has_news: bool = False) -> datetime:
    """When the source is asked next; sooner than planned if somebody wants it, or if it has
    something new to give.
    """
    due = min(plan.due, plan.earliest) if is_wanted else plan.due
    return min(due, plan.earliest_news) if has_news else due


def state_at(plan: Plan, now: datetime) -> IdentityState:
    """The identity's state."""
    if plan.is_locked:
        return IdentityState.LOCKED
    if plan.schedule is None:
        return IdentityState.WAITING
    if now >= plan.schedule.not_after:
        return IdentityState.EXPIRED
    if plan.is_denied or now >= plan.schedule.must_have:
        return IdentityState.DEGRADED
    if plan.failures or now >= plan.schedule.renew_at:
        return IdentityState.RENEWING
    return IdentityState.VALID


def next_wait(now: datetime, due: datetime) -> float:
    """Seconds to sleep now: until `due`, at most one tick."""
    return max(0.0, min(due - now, TICK).total_seconds())
