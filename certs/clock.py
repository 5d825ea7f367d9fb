"""Time as an argument: what waits or judges lifetimes is given a clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol


class Clock(Protocol):
    """The wall clock, and waiting by it."""

    def now(self) -> datetime:
        """The time of day, aware UTC. It jumps when somebody sets it, or after a sleep."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait about that long; a suspended machine may wake from it late or early."""
        ...


class BootClock(Clock, Protocol):
    """A wall clock beside one that nobody sets: what they differ by tells a sleep of the machine
    from somebody who set the time.
    """

    def boottime(self) -> float:
        """Seconds since some moment; they go on while the machine sleeps."""
        ...


# Linux has CLOCK_BOOTTIME; on macOS CLOCK_MONOTONIC goes on in a sleep, other than time.monotonic.
_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


class SystemClock:
    """This machine's clocks, a `BootClock`."""

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(max(0.0, seconds))

    def boottime(self) -> float:
        """See `BootClock`."""
        return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)
