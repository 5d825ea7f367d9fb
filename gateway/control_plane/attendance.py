"""Keeping the service manager informed, from the gateway's start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from gateway.config.model import Limits
from gateway.control_plane.status import Phase
from gateway.service.manager import ServiceManager

#: How long the start may take before it waits for certificates.
OPEN_S: Final = 60.0
#: What is granted beyond the times that the gateway limits itself.
SPARE_S: Final = 20.0
#: How often the line for people is looked at where no watchdog wants more.
_LOOK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the gateway is. `lacking` names the identities without a usable certificate."""

    phase: Phase
    lingers: bool
    routes: int
    lacking: Iterable[str]
    config_error: str

    def __str__(self) -> str:
        if self.phase != "running":
            return "serving until nobody calls any more" if self.lingers else self.phase
        parts = [f"serving {self.routes} route{'' if self.routes == 1 else 's'}"]
        if names := ", ".join(self.lacking):
            parts.append(f"no certificate: {names}")
        if self.config_error:
            parts.append(f"the changed configuration was refused: {self.config_error}")
        return "; ".join(parts)


def longest_end_s(limits: Limits, *, lingers: bool) -> float:
    """How long the end takes at most."""
    return limits.linger_timeout_s * lingers + limits.drain_timeout_s + SPARE_S


class Attendance:
    """Tells `manager` what becomes of the gateway, whose condition is `look`."""

    def __init__(self, manager: ServiceManager, look: Callable[[], Condition]) -> None:
        self._manager = manager
        self._look = look

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While the block runs, say that this event loop does, twice in the time of the watchdog,
        and what its condition is.
        """
        self._manager.patience(OPEN_S)
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()

    def settling(self, limit_s: float) -> None:
        """Certificates are waited for."""
        self._manager.patience(limit_s + SPARE_S)

    def settled(self) -> None:
        """The start is done, with certificates or without."""
        self._tell()
        self._manager.ready()

    def ending(self, limits: Limits, *, lingers: bool) -> None:
        """No new work is begun."""
        self._tell()
        self._manager.stopping(longest_end_s(limits, lingers=lingers))

    @asynccontextmanager
    async def reload(self) -> AsyncIterator[None]:
        """The block reloads. A manager takes a reload for done when it hears `ready`, however it
        went; before the start and in the end that would be something else.
        """
        is_told = self._look().phase == "running"
        if is_told:
            self._manager.reloading()
        try:
            yield
        finally:
            if is_told and self._look().phase == "running":
                self.settled()

    def _tell(self) -> None:
        self._manager.status(str(self._look()))

    async def _keep(self) -> None:
        pause_s = min(_LOOK_S, self._manager.watchdog_s / 2 or _LOOK_S)
        while self._manager.is_there:
            self._manager.alive()
            self._tell()
            await asyncio.sleep(pause_s)
