"""Time as an argument: what waits or judges lifetimes is given a clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The wall clock, and waiting by it."""

    def now(self) -> datetime:
        """The time of day, aware UTC. It jumps when somebody sets it, or after a sleep."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait about that long; a suspended machine may wake from it late or early."""
        ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(max(0.0, seconds))
