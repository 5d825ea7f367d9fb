"""Serving on after SIGTERM, until the callers are gone.

In a pod whose containers are told to stop at the same time, or one after the other with the sidecar
last, the application finishes its work *through* the gateway. So nothing is refused until nobody
calls any more (Kubernetes, "Sidecar Containers", termination).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

#: So long nobody may have called before the callers count as gone.
QUIET_S: Final = 3.0
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Calls:
    """What callers do: the connections they hold now, and all their requests so far."""

    open: int
    made: int


class Quiet:
    """Whether the callers are gone. Pure: `now` are seconds of a monotonic clock."""

    def __init__(self, quiet_s: float, now: float) -> None:
        self._quiet_s = quiet_s
        self._since = now
        self._made: int | None = None

    def over(self, calls: Calls, now: float) -> bool:
        """Whether, with these calls seen now, nobody has called for the time."""
        if calls.open or self._made not in (None, calls.made):
            self._since = now
        self._made = calls.made
        return now - self._since >= self._quiet_s


class Linger:
    """The time between SIGTERM and the drain."""

    def __init__(self) -> None:
        self._enough = asyncio.Event()
        self._wanted = False

    @property
    def goes_on(self) -> bool:
        """Whether it was begun and isn't over."""
        return self._wanted and not self._enough.is_set()

    def begin(self) -> None:
        """Have `wait` wait."""
        self._wanted = True

    def end(self) -> None:
        """Let the drain begin now."""
        self._enough.set()

    async def wait(self, limit_s: float, look: Callable[[], Awaitable[Calls]]) -> None:
        """Until the callers are gone, it was ended, or `limit_s` are over. `look` sees what they
        do.
        """
        clock = asyncio.get_running_loop().time
        begun = clock()
        quiet = Quiet(QUIET_S, begun)
        while self.goes_on and clock() - begun < limit_s:
            if quiet.over(await look(), clock()):
                break
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._enough.wait()
            except TimeoutError:
                continue
        self._enough.set()
