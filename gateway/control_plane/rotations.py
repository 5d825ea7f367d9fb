"""Rotations inside of the running gateway: steps that become due, and what the admin API asks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.audit.journal import Journal
from gateway.config.model import Config
from gateway.errors import GatewayError
from gateway.rotation.desk import Desk, look_at_all
from gateway.rotation.engine import RotationRefused
from gateway.rotation.record import Rotation, next_step, was_set_back
from gateway.rotation.views import RotationView, document, rotation_document
from identity.fault import Fault
from identity.secret_stores.base import Secret, check_value

_LOG: Final = logging.getLogger(__name__)

#: How often it is looked whether a step is due, and how old the values are.
LOOK_S: Final = 5.0
AGES_S: Final = 3600.0
#: What may be asked for within a minute.
MOST_ASKED: Final = 30
ACTIONS: Final = ("start", "resume", "rollback")


class TooOften(GatewayError):
    """More was asked for within a minute than is done."""


class RotationKeeper:
    """Makes the steps that are due, and those that are asked for. `run` is its one task."""

    def __init__(
        self,
        config: Config,
        open_desk: Callable[[Config], Desk],
        journal: Journal,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._open_desk = open_desk
        self._journal = journal
        self._refresh = refresh
        self._desk = open_desk(config)
        self._asked: deque[datetime] = deque(maxlen=MOST_ASKED)

    def use(self, config: Config) -> None:
        """Take over another configuration."""
        self._desk = self._open_desk(config)

    def views(self) -> tuple[RotationView, ...]:
        """How all rotations stand. Blocks for some small files."""
        return self._desk.views()

    async def listed(self) -> dict[str, Any]:
        """The body of `GET /rotations`."""
        views = await asyncio.to_thread(self.views)
        now = self._desk.now()
        return {"rotations": [document(view, now) for view in views]}

    async def plan(self, name: str) -> dict[str, Any]:
        """See `Desk.plan`."""
        return await self._desk.plan(name)

    async def refresh(self) -> None:
        """Read the routes' secrets again, now."""
        await self._refresh()

    async def ask(
        self, name: str, action: str, *, who: str, value: str = "", old_key: str = ""
    ) -> dict[str, Any]:
        """One of `ACTIONS`, for `who`; how far the rotation is then. Raises `Fault`, and `TooOften`
        as one of them.
        """
        now, desk = self._desk.now(), self._desk
        if len(self._asked) == MOST_ASKED and now - self._asked[0] < timedelta(minutes=1):
            raise TooOften(f"{MOST_ASKED} were asked for within a minute", hint="wait a minute")
        self._asked.append(now)
        wanted = desk.wanted(name)
        if desk.config.secrets.store in ("folder", "memory") and wanted.secret:
            raise RotationRefused(
                f'the store "{desk.config.secrets.store}" keeps no new values',
                hint='[secrets] store = "keychain" or "vault" does',
            )
        if desk.config.mfa.wants("rotate", (wanted.secret,) if wanted.secret else ()):
            await self._record(name, f"{action}: {who}", outcome="denied")
            raise RotationRefused(
                f"the rotation of {name} takes a touch of a security key",
                hint=f"run it at a terminal: devwiz-gw rotate {name}",
            )
        _refuse_what_does_not_go_together(action, value, old_key)
        typed = Secret(value) if value else None
        if typed is not None:
            check_value(typed)
        await self._record(name, f"{action}: {who}", outcome="ok")
        return {"name": name, **rotation_document(await self._done(name, action, typed, old_key))}

    async def _record(self, name: str, reason: str, *, outcome: str) -> None:
        await asyncio.to_thread(
            self._journal.record, "rotation.ask", outcome=outcome, name=name, reason=reason
        )

    async def _done(self, name: str, action: str, typed: Secret | None, old_key: str) -> Rotation:
        if action == "start":
            return await self._desk.start(name, typed=typed, old_key=old_key)
        if action == "resume":
            return await self._desk.resume(name, typed=typed)
        return await self._desk.roll_back(name)

    async def run(self) -> None:
        """Go on with what is due, for ever; cancelled at the end, which loses nothing."""
        loop = asyncio.get_running_loop()
        ages_at = loop.time()
        while True:
            if loop.time() >= ages_at:
                await self._look_at_ages()
                ages_at = loop.time() + AGES_S
            await self.go_on()
            await asyncio.sleep(LOOK_S)

    async def go_on(self) -> None:
        """Make each step that is due now."""
        for view in await asyncio.to_thread(self.views):
            last = view.last
            if last is None or not _is_due(last, self._desk.now()):
                continue
            try:
                after = await self._desk.resume(view.wanted.name, asked=False)
            except Fault as fault:
                _LOG.warning(
                    "rotation %s: %s",
                    view.wanted.name,
                    fault,
                    extra={"event": "rotation_failed", "hint": fault.hint},
                )
            else:
                _tell(last, after)

    async def _look_at_ages(self) -> None:
        try:
            await look_at_all(self._desk)
        except Fault as fault:
            _LOG.warning("ages of secrets are not known: %s", fault)


def _refuse_what_does_not_go_together(action: str, value: str, old_key: str) -> None:
    if old_key and action != "start":
        raise RotationRefused("old_key goes with the start of a rotation", hint="leave it out")
    if value and action == "rollback":
        raise RotationRefused("the old value is put back, not another one", hint="leave value out")


def _is_due(rotation: Rotation, now: datetime) -> bool:
    if was_set_back(rotation, now):
        return True
    return not rotation.stuck and next_step(rotation, now) is not None


def _tell(before: Rotation, after: Rotation) -> None:
    if after.error:
        _LOG.warning(
            "rotation %s: %s",
            after.name,
            after.error,
            extra={"event": "rotation_failed", "hint": after.hint},
        )
    elif after.phase != before.phase:
        _LOG.info("rotation %s is %s", after.name, after.phase, extra={"event": "rotation"})
