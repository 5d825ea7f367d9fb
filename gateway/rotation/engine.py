"""Makes the steps of rotations, each on the disk before the next one begins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.audit.ending import ending_of
from gateway.audit.event import Event
from gateway.audit.fingerprint import Fingerprints
from gateway.audit.journal import AuditFailed, Journal
from gateway.config.rotate_model import RotateConfig
from gateway.errors import GatewayError
from gateway.rotation.book import Book, BookFailed
from gateway.rotation.record import (
    Rotation,
    again,
    can_retype,
    failed,
    is_of,
    next_step,
    retyped,
    rolling_back,
    waiting_anew,
    was_set_back,
)
from gateway.rotation.steps import Steps
from identity.errors import TokenUnavailable
from identity.fault import Fault
from identity.machine_lock import machine_lock
from identity.rotation.base import Provider
from identity.secret_stores.base import Secret, SecretRef, SecretStore

#: Between two rotations of one secret, and how many may begin in a minute.
LEAST_S: Final = 60.0
MOST_A_MINUTE: Final = 10
_MINUTE: Final = timedelta(minutes=1)
#: How long one process waits for another that is at work on the same rotation.
_LOCK_S: Final = 10.0

#: Opens what a rotation needs; the value is one that a person typed.
OpenProvider = Callable[[RotateConfig, Secret | None, str], Provider]


class RotationRefused(GatewayError):
    """What was asked for can't be done to this rotation now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a `Rotator` works with. `tell` lets those who hold a secret know that it changed."""

    project: str
    store: SecretStore
    journal: Journal
    fingerprints: Fingerprints
    book: Book
    open_provider: OpenProvider
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    tell: Callable[[str], Awaitable[None]]


class Rotator:
    """Begins, goes on with and undoes rotations. Several processes may have one each: who is at
    work on a rotation holds its lock. Every method raises `RotationRefused`, `BookFailed`,
    `AuditFailed`; what a step fails with is in the record.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def start(
        self, wanted: RotateConfig, *, typed: Secret | None = None, old_key: str = ""
    ) -> Rotation:
        """Begin, and go as far as it goes. Besides: `IdentityError` where the plan can't be made;
        nothing has changed then.
        """
        async with self._alone(wanted.name):
            last = await self._read(wanted.name)
            await self._refuse_too_soon(wanted.name, last)
            rotation = await self._planned(wanted, last, typed=typed, old_key=old_key)
            return await self._go_on(rotation, wanted, typed)

    async def resume(
        self, wanted: RotateConfig, *, typed: Secret | None = None, asked: bool = True
    ) -> Rotation:
        """Make all steps that are due; if a person `asked`, one that failed is made again now.
        Another value may be `typed` as long as the first one is not published.
        """
        async with self._alone(wanted.name):
            rotation, now = await self._under_way(wanted), self._tools.now()
            if typed is not None:
                refuse_too_late(rotation)
                rotation = retyped(rotation, now)
                await self._write(rotation)
            if was_set_back(rotation, now):
                rotation = waiting_anew(rotation, now)
                await self._write(rotation)
            return await self._go_on(again(rotation) if asked else rotation, wanted, typed)

    async def roll_back(self, wanted: RotateConfig) -> Rotation:
        """Put the old value back, and end the new key."""
        async with self._alone(wanted.name):
            rotation = await self._under_way(wanted)
            if rotation.phase != "rolling-back":
                if not rotation.can_roll_back:
                    raise RotationRefused(
                        f"the rotation of {wanted.name} can't be undone: the old key is revoked",
                        hint=f"finish it: devwiz-gw rotate {wanted.name} --resume",
                    )
                rotation = rolling_back(rotation, self._tools.now())
                await self._write(rotation)
            return await self._go_on(again(rotation), wanted, None)

    # -- the beginning ---------------------------------------------------------------------------

    async def _planned(
        self, wanted: RotateConfig, last: Rotation | None, *, typed: Secret | None, old_key: str
    ) -> Rotation:
        tools, now = self._tools, self._tools.now()
        rotation = Rotation(
            id=tools.new_id(),
            name=wanted.name,
            secret=wanted.secret,
            provider=wanted.provider,
            phase="planned",
            started_at=now,
            changed_at=now,
            grace_s=wanted.grace_s,
            on_switch=wanted.on_switch,
            version=last.version if last else 0,
        )
        old: Secret | None = None
        if wanted.secret:
            old = await tools.store.get(SecretRef(tools.project, wanted.secret))
            mark = await asyncio.to_thread(tools.fingerprints.of, old.reveal())
            rotation = replace(rotation, old_fingerprint=mark)
        old_key = old_key or _known_key(last, rotation)
        if not old_key:
            old_key = await tools.open_provider(wanted, typed, "").remote.current(old)
        rotation = replace(rotation, old_key=old_key)
        await self._on_paper("plan", rotation, "ok")
        await self._write(rotation)
        return rotation

    async def _refuse_too_soon(self, name: str, last: Rotation | None) -> None:
        now = self._tools.now()
        if last is not None and not last.is_over:
            raise RotationRefused(
                f"a rotation of {name} is under way: {last.phase} since {last.changed_at:%F %T}",
                hint=f"devwiz-gw rotate {name} --resume goes on with it, --rollback undoes it",
            )
        if last is not None and timedelta(0) <= now - last.started_at < timedelta(seconds=LEAST_S):
            raise RotationRefused(
                f"{name} was rotated less than {LEAST_S:g} s ago", hint="wait a minute"
            )
        records = await asyncio.to_thread(lambda: list(self._tools.book.all()))
        recent = [item for item in records if timedelta(0) <= now - item.started_at < _MINUTE]
        if len(recent) >= MOST_A_MINUTE:
            raise RotationRefused(
                f"{len(recent)} rotations began within a minute", hint="wait a minute"
            )

    # -- going on --------------------------------------------------------------------------------

    async def _go_on(
        self, rotation: Rotation, wanted: RotateConfig, typed: Secret | None
    ) -> Rotation:
        tools = self._tools
        provider = tools.open_provider(wanted, typed, rotation.old_key)
        steps = Steps(
            provider=provider,
            store=tools.store,
            project=tools.project,
            fingerprints=tools.fingerprints,
            write=self._write,
            now=tools.now,
            tell=tools.tell,
        )
        while not rotation.stuck and (step := next_step(rotation, tools.now())):
            rotation = await self._step(step, rotation, steps)
        return rotation

    async def _step(self, step: str, rotation: Rotation, steps: Steps) -> Rotation:
        await self._on_paper(step, rotation, "begun")
        try:
            after = await steps.make(rotation)
        except (AuditFailed, BookFailed):
            raise
        except Fault as fault:
            # A step may have got on before it failed.
            reached = await self._read(rotation.name) or rotation
            after = failed(
                reached,
                self._tools.now(),
                error=str(fault),
                hint=fault.hint,
                retryable=fault.retryable,
                retry_after_s=getattr(fault, "retry_after_s", None),
            )
            outcome, why = ending_of(fault)
            await self._on_paper(step, after, outcome, reason=why)
            await self._write(after)
            return after
        await self._write(after)
        await self._on_paper(step, after, "ok")
        return after

    # -- the shell -------------------------------------------------------------------------------

    async def _under_way(self, wanted: RotateConfig) -> Rotation:
        name = wanted.name
        rotation = await self._read(name)
        if rotation is None or rotation.is_over:
            raise RotationRefused(
                f"no rotation of {name} is under way", hint=f"devwiz-gw rotate {name} begins one"
            )
        # What was approved is the table's secret, so no record may lead to another one.
        if not is_of(rotation, secret=wanted.secret, provider=wanted.provider):
            raise RotationRefused(
                f"the rotation under way is one of {rotation.secret or 'no secret'} by "
                f"{rotation.provider}, which [rotate.{name}] no longer says",
                hint="put the table back until it is over, or remove the record "
                f"{self._tools.book.path(name)}",
            )
        return rotation

    async def _read(self, name: str) -> Rotation | None:
        return await asyncio.to_thread(self._tools.book.read, name)

    async def _write(self, rotation: Rotation) -> None:
        await asyncio.to_thread(self._tools.book.write, rotation)

    async def _on_paper(
        self, step: str, rotation: Rotation, outcome: str, *, reason: str = ""
    ) -> None:
        more = {
            "rotation": rotation.id,
            "phase": rotation.phase,
            "old_fingerprint": rotation.old_fingerprint,
            "new_fingerprint": rotation.new_fingerprint,
        }
        event = Event(
            action=f"rotation.{step}",
            outcome=outcome,
            name=rotation.secret or rotation.name,
            reason=reason,
            more={key: value for key, value in more.items() if value},
        )
        await asyncio.to_thread(self._tools.journal.write, event)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            lock = machine_lock(self._tools.book.lock(name), timeout_s=_LOCK_S)
            try:
                await stack.enter_async_context(lock)
            except TokenUnavailable as error:
                raise RotationRefused(
                    f"another process is at work on the rotation of {name}",
                    hint="devwiz-gw status shows how far it is",
                ) from error
            yield


def refuse_too_late(rotation: Rotation) -> None:
    """Raise `RotationRefused` unless another new value may still be typed."""
    if not can_retype(rotation):
        raise RotationRefused(
            f"the new value of {rotation.name} can't be replaced any more: others may have it "
            f"since it was published, or put into use ({rotation.phase})",
            hint="--resume alone goes on with it, --rollback puts the old value back",
        )


def _known_key(last: Rotation | None, rotation: Rotation) -> str:
    """What the last rotation knows of the key in use, if it is still that one."""
    if last is None or not rotation.old_fingerprint:
        return ""
    if last.phase == "done" and last.new_fingerprint == rotation.old_fingerprint:
        return last.new_key
    if last.phase == "rolled-back" and last.old_fingerprint == rotation.old_fingerprint:
        return last.old_key
    return ""
