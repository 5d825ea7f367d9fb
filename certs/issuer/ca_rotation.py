"""How one authority takes over from another: phases, and what each means. Pure.

    standby → init → update_clients → update_servers → standby
                 ╰────────┴───────────────┴──→ rollback → standby

An authority is in the bundle for a phase before it signs anything, and stays there after its last
signature until everything that it signed has ended. So whoever follows the bundle can check
whatever anybody shows, in every phase:

| phase          | signs for workloads | signs for the issuer's server | in the bundle |
|----------------|---------------------|-------------------------------|---------------|
| standby        | old                 | old                           | old           |
| init           | old                 | old                           | old, new      |
| update_clients | new                 | old                           | old, new      |
| update_servers | new                 | new                           | old, new      |
| rollback       | old                 | old                           | old, new      |

The phases are Teleport's ("Certificate Authority Rotation").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from certs.errors import CertsError

#: For clocks that differ: a retired authority stays so much longer than what it signed.
LEEWAY: Final = timedelta(minutes=1)
MIN_GRACE: Final = timedelta(seconds=1)
MAX_GRACE: Final = timedelta(days=30)


class Phase(StrEnum):
    """Where a rotation stands."""

    STANDBY = "standby"
    INIT = "init"
    UPDATE_CLIENTS = "update_clients"
    UPDATE_SERVERS = "update_servers"
    ROLLBACK = "rollback"


#: What comes by itself after each phase, when its grace period is over.
NEXT: Final = {
    Phase.STANDBY: Phase.INIT,
    Phase.INIT: Phase.UPDATE_CLIENTS,
    Phase.UPDATE_CLIENTS: Phase.UPDATE_SERVERS,
    Phase.UPDATE_SERVERS: Phase.STANDBY,
    Phase.ROLLBACK: Phase.STANDBY,
}

#: On whose entry every client should renew: another authority signs now, or the bundle is about to
#: lose one.
_RENEWING: Final = {Phase.UPDATE_CLIENTS, Phase.ROLLBACK, Phase.STANDBY}


class InvalidStep(CertsError):
    """The rotation can't go there from where it is; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """An authority that signs nothing any more and is kept until `until` for what it signed."""

    number: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The state of the authorities of one issuer.

    Attributes:
        phase: where the rotation stands.
        since: when that phase began.
        old: the authority that signed before the rotation; in standby the only one that signs.
        new: the one that is to take over; None in standby.
        last_number: the highest number that an authority ever had; numbers are not used again.
        retired: authorities that are kept for verification only.
        signed_until: the end of the last certificate of that one of `old` and `new` which has
            stopped signing; None while neither has.
        grace: how long each phase lasts before the next one begins by itself; None to wait for the
            operator.
    """

    since: datetime
    phase: Phase = Phase.STANDBY
    old: int = 1
    new: int | None = None
    last_number: int = 1
    retired: tuple[Retired, ...] = ()
    signed_until: datetime | None = None
    grace: timedelta | None = None

    @property
    def workload_signer(self) -> int:
        """The number of the authority that signs for workloads."""
        has_new = self.phase in {Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS}
        return self.new if has_new and self.new is not None else self.old

    @property
    def server_signer(self) -> int:
        """The number of the authority that signs for the issuer's own server."""
        is_new = self.phase is Phase.UPDATE_SERVERS and self.new is not None
        return self.new if is_new and self.new is not None else self.old

    @property
    def trusted(self) -> tuple[int, ...]:
        """The numbers of all authorities in the bundle, the oldest first."""
        new = () if self.new is None else (self.new,)
        return tuple(sorted({self.old, *new, *(item.number for item in self.retired)}))

    @property
    def next_at(self) -> datetime | None:
        """When the next phase begins by itself."""
        if self.phase is Phase.STANDBY or self.grace is None:
            return None
        return self.since + self.grace


def needs_renewals(phase: Phase) -> bool:
    """Whether clients must renew when `phase` is entered."""
    return phase in _RENEWING


def enter(rotation: Rotation, phase: Phase, *, now: datetime, signed_until: datetime) -> Rotation:
    """The state after the step into `phase`.

    Args:
        signed_until: the end of the last certificate that was issued so far.

    Raises:
        InvalidStep: no step leads there from the present phase.
    """
    if phase is Phase.ROLLBACK:
        return _rolled_back(rotation, now, signed_until)
    if NEXT[rotation.phase] is not phase:
        raise InvalidStep(
            f"no step leads from {rotation.phase} to {phase}", hint=_ways_out(rotation.phase)
        )
    moved = replace(rotation, phase=phase, since=now)
    match phase:
        case Phase.INIT:
            number = rotation.last_number + 1
            return replace(moved, new=number, last_number=number, signed_until=None)
        case Phase.UPDATE_CLIENTS:
            return replace(moved, signed_until=signed_until)
        case Phase.UPDATE_SERVERS:
            return moved
        case Phase.STANDBY:
            return _settled(moved, was=rotation.phase)


def with_grace(rotation: Rotation, grace: timedelta | None) -> Rotation:
    """The same state, going on by itself after `grace` in each phase; None: waiting for people.

    Raises:
        InvalidStep: the time is out of range.
    """
    if grace is not None and not MIN_GRACE <= grace <= MAX_GRACE:
        raise InvalidStep(
            f"a grace period of {grace} is out of range", hint="use 1 second to 30 days"
        )
    return replace(rotation, grace=grace)


def due(rotation: Rotation, now: datetime) -> Phase | None:
    """The phase to enter now because the grace period of the present one is over."""
    at = rotation.next_at
    return NEXT[rotation.phase] if at is not None and now >= at else None


def without_ended(rotation: Rotation, now: datetime) -> Rotation:
    """The state without the retired authorities that nobody needs any more; the same object when
    there are none.
    """
    kept = tuple(item for item in rotation.retired if item.until > now)
    return rotation if len(kept) == len(rotation.retired) else replace(rotation, retired=kept)


def _rolled_back(rotation: Rotation, now: datetime, signed_until: datetime) -> Rotation:
    if rotation.phase not in {Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS}:
        raise InvalidStep(
            f"there is nothing to roll back in {rotation.phase}", hint=_ways_out(rotation.phase)
        )
    # What the new authority has signed is remembered; the old one signs again, without an end.
    has_signed = rotation.phase is not Phase.INIT
    return replace(
        rotation,
        phase=Phase.ROLLBACK,
        since=now,
        signed_until=signed_until if has_signed else None,
        grace=None,
    )


def _settled(moved: Rotation, *, was: Phase) -> Rotation:
    new = moved.new if moved.new is not None else moved.old
    stays, leaves = (moved.old, new) if was is Phase.ROLLBACK else (new, moved.old)
    until = max(moved.since, moved.signed_until or moved.since) + LEEWAY
    return replace(
        moved,
        old=stays,
        new=None,
        retired=(*moved.retired, Retired(number=leaves, until=until)),
        signed_until=None,
        grace=None,
    )


def _ways_out(phase: Phase) -> str:
    can_go_back = phase not in {Phase.STANDBY, Phase.ROLLBACK}
    return f"the next phase is {NEXT[phase]}" + (
        ", or go back with rollback" if can_go_back else ""
    )
