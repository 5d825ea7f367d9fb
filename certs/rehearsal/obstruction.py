"""What a rehearsal puts between the rotation and its source: outages, and another time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal

from certs.clock import Clock
from certs.errors import CertsError, SourceUnavailable
from certs.generation import Generation
from certs.rehearsal.timeline import Timeline
from certs.sources.base import Identity, IdentitySource

#: How a source is away: its port is closed, or it takes the call and doesn't answer.
Outage = Literal["refuses", "silent"]

# The deadline that sources set to each of their steps.
_STEP_DEADLINE_S: Final = 10.0


class ObstructedSource:
    """An `IdentitySource` that can be away.

    Args:
        timer: real seconds, to measure the replies by.
        is_forgiving: ask again after a failure of the source's own. Otherwise the same failure is
            given from then on, so that a real issuer isn't asked as fast as the rehearsal's time
            runs.

    Attributes:
        outage: how it is away; "" lets everything through.
        slowest_s: the longest that a reply took.
    """

    def __init__(
        self,
        source: IdentitySource,
        timeline: Timeline,
        clock: Clock,
        *,
        timer: Callable[[], float],
        is_forgiving: bool = True,
    ) -> None:
        self._source = source
        self._timeline = timeline
        self._clock = clock
        self._timer = timer
        self._is_forgiving = is_forgiving
        self._failure: CertsError | None = None
        self.outage: Outage | Literal[""] = ""
        self.slowest_s = 0.0

    @property
    def name(self) -> str:
        """See `IdentitySource.name`."""
        return self._source.name

    @property
    def clock_skew_s(self) -> float | None:
        """See `IdentitySource.clock_skew_s`."""
        return self._source.clock_skew_s

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        if self.outage == "refuses":
            raise SourceUnavailable(
                f"connections to {self.name} are refused", hint="this is the rehearsed outage"
            )
        if self.outage == "silent":
            await self._clock.sleep(_STEP_DEADLINE_S)
            raise SourceUnavailable(
                f"{self.name} didn't answer in {_STEP_DEADLINE_S:.0f} s",
                hint="this is the rehearsed outage",
            )
        if self._failure is not None and not self._is_forgiving:
            raise self._failure
        began = self._timer()
        try:
            with self._timeline.working():
                return await self._source.obtain(current)
        except CertsError as error:
            self._failure = error
            raise
        finally:
            self.slowest_s = max(self.slowest_s, self._timer() - began)

    async def changed(self) -> None:
        """See `IdentitySource.changed`."""
        await self._source.changed()

    async def close(self) -> None:
        """See `IdentitySource.close`."""
        await self._source.close()


class ShiftedSource:
    """An `IdentitySource` over one that lives in the machine's own time: what it gives is dated in
    the rehearsal's time, which runs ahead, and dated back when it is shown to the source.
    """

    clock_skew_s = None

    def __init__(self, source: IdentitySource, *, real: Clock, rehearsed: Clock) -> None:
        self._source = source
        self._real = real
        self._rehearsed = rehearsed
        self._ahead: dict[str, timedelta] = {}

    @property
    def name(self) -> str:
        """See `IdentitySource.name`."""
        return self._source.name

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        if current is not None:
            ahead = self._ahead[current.serial]
            current = replace(
                current,
                not_before=current.not_before - ahead,
                not_after=current.not_after - ahead,
            )
        identity = await self._source.obtain(current)
        known = self._ahead.get(identity.serial)
        ahead = self._rehearsed.now() - self._real.now() if known is None else known
        self._ahead = {identity.serial: ahead}
        wish = identity.renew_after
        return replace(
            identity,
            not_before=identity.not_before + ahead,
            not_after=identity.not_after + ahead,
            renew_after=None if wish is None else wish + ahead,
        )

    async def changed(self) -> None:
        """See `IdentitySource.changed`."""
        await self._source.changed()

    async def close(self) -> None:
        """See `IdentitySource.close`."""
        await self._source.close()
