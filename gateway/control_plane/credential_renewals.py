"""What is done when an upstream refuses the credentials that a route attached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

_LOG: Final = logging.getLogger(__name__)

#: What became of it: other values, the same ones again, or nothing, as that was tried just now.
Renewal = Literal["renewed", "unchanged", "too soon"]

_TOLD: Final = {
    "renewed": "others were asked for, and are used from now on",
    "unchanged": "others were asked for, and there are none",
}


class PutOnPaper(Protocol):
    """See `AuditQueue.put`."""

    def __call__(
        self, action: str, *, outcome: str = "ok", name: str = "", reason: str = ""
    ) -> None:
        """Queue one event for the journal."""
        ...


class CredentialRenewals:
    """Renews routes' credentials, those of each route once at a time, however many workers ask.
    `run` is its one task.

    Args:
        renew: asks for other credentials of a route; those that it gets are published before it
            returns.
        done: called then, whatever became of it.
        put_on_paper: gets an event of each renewal that was tried.
    """

    def __init__(
        self,
        renew: Callable[[str], Awaitable[Renewal]],
        done: Callable[[str], None],
        put_on_paper: PutOnPaper,
    ) -> None:
        self._renew = renew
        self._done = done
        self._put_on_paper = put_on_paper
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._under_way: set[str] = set()

    def want(self, route: str) -> None:
        """An upstream has refused this route's. Returns at once."""
        if route not in self._under_way:
            self._under_way.add(route)
            self._wanted.put_nowait(route)

    async def run(self) -> None:
        """Renew what is wanted, for ever; cancelled at the end."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._renew_one(await self._wanted.get()))

    async def _renew_one(self, route: str) -> None:
        try:
            outcome = await self._renew(route)
        finally:
            self._under_way.discard(route)
        if outcome != "too soon":
            self._tell(route, outcome)
        self._done(route)

    def _tell(self, route: str, outcome: Renewal) -> None:
        told = _TOLD[outcome]
        _LOG.warning(
            "%s: the upstream refused the credentials of the route (401): %s",
            route,
            told,
            extra={"event": "credentials_refused"},
        )
        is_renewed = outcome == "renewed"
        self._put_on_paper(
            "route.refused", outcome="ok" if is_renewed else "failed", name=route, reason=told
        )
