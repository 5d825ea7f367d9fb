"""What each step of a rotation does. All of them can be made again after a crash in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.audit.fingerprint import Fingerprints
from gateway.rotation.record import STEPS, Rotation, is_in_use, stepped
from identity.errors import SecretNotFound, TokenDenied, TokenUnavailable
from identity.rotation.base import Provider
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef, SecretStore, check_value

#: How often it is looked whether somebody approved a new value.
_APPROVAL_S: Final = 60.0


class Values:
    """The values of one rotation: the current one, and those kept under names of the program's own
    until it is over.
    """

    def __init__(self, store: SecretStore, project: str, rotation: Rotation) -> None:
        self._store = store
        self._current = SecretRef(project, rotation.secret) if rotation.secret else None
        self._new = SecretRef(project, f"{OWN_PREFIX}rotation.{rotation.id}.new")
        self._old = SecretRef(project, f"{OWN_PREFIX}rotation.{rotation.id}.old")

    async def current(self) -> Secret | None:
        """What is in use; None where there is no value here."""
        return await self._found(self._current) if self._current else None

    async def make_current(self, value: Secret) -> None:
        """Let this one be used from now on."""
        if self._current is not None:
            await self._store.set(self._current, value)

    async def new(self) -> Secret | None:
        """The new one, if it is kept."""
        return await self._found(self._new)

    async def old(self) -> Secret | None:
        """The old one, if it is kept."""
        return await self._found(self._old)

    async def keep_new(self, value: Secret) -> None:
        """Keep it as a version that isn't current yet."""
        await self._store.set(self._new, value)

    async def keep_old(self, value: Secret) -> None:
        """Keep it for the way back."""
        await self._store.set(self._old, value)

    async def forget_new(self) -> None:
        """Keep it no longer."""
        with contextlib.suppress(SecretNotFound):
            await self._store.delete(self._new)

    async def forget(self) -> None:
        """Keep neither any longer."""
        await self.forget_new()
        with contextlib.suppress(SecretNotFound):
            await self._store.delete(self._old)

    async def _found(self, ref: SecretRef) -> Secret | None:
        try:
            return await self._store.get(ref)
        except SecretNotFound:
            return None


class Steps:
    """Makes the step that follows a record's phase; the result is the record after it, which the
    caller puts on the disk. `write` does so at once, where a step has to be known ahead.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        store: SecretStore,
        project: str,
        fingerprints: Fingerprints,
        write: Callable[[Rotation], Awaitable[None]],
        now: Callable[[], datetime],
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        self._provider = provider
        self._store = store
        self._project = project
        self._fingerprints = fingerprints
        self._write = write
        self._now = now
        self._tell_holders = tell
        self._fresh: Secret | None = None

    async def make(self, rotation: Rotation) -> Rotation:
        """Make the next step. Raises `IdentityError`."""
        values = Values(self._store, self._project, rotation)
        makers = {
            "create": self._create,
            "store": self._keep,
            "verify": self._verify,
            "publish": self._publish,
            "switch": self._switch,
            "tell": self._tell,
            "revoke": self._revoke,
            "clean": self._clean,
            "roll-back": self._roll_back,
        }
        return await makers[STEPS[rotation.phase][0]](rotation, values)

    async def _create(self, rotation: Rotation, values: Values) -> Rotation:
        remote, by = self._provider.remote, await values.current()
        if by is not None:
            await self._refuse_drift(rotation, values)
            if self._provider.publisher is not None:
                given = await self._mark(await self._provider.publisher.given())
                _refuse_somebody_elses(rotation, given)
            # First, so that a store which keeps nothing is found out before a key is made.
            await values.keep_old(by)
        # Keys of an attempt that was cut off: nobody knows their values.
        for key in await remote.tagged(rotation.tag, by):
            await remote.revoke(key, None, by)
        await values.forget_new()
        created = await remote.create(rotation.tag, by)
        self._fresh = created.value
        return stepped(rotation, self._now(), new_key=created.key)

    async def _keep(self, rotation: Rotation, values: Values) -> Rotation:
        if not rotation.secret:
            return stepped(rotation, self._now())
        value = self._fresh or await values.new()
        if value is None:
            return await self._start_over(rotation, values)
        check_value(value)
        mark = await self._mark(value)
        if mark == rotation.old_fingerprint:
            raise TokenDenied("the new value is the old one", hint="--rollback ends this rotation")
        await values.keep_new(value)
        return stepped(rotation, self._now(), new_fingerprint=mark)

    async def _start_over(self, rotation: Rotation, values: Values) -> Rotation:
        """A key whose value was lost is ended, and another one made."""
        if rotation.new_key and rotation.new_key != rotation.old_key:
            by = await values.current()
            await self._provider.remote.revoke(rotation.new_key, None, by)
        return replace(rotation, phase="planned", new_key="", changed_at=self._now())

    async def _verify(self, rotation: Rotation, values: Values) -> Rotation:
        if rotation.secret:
            value = await self._needed_new(values)
            for check in self._provider.checks:
                await check(value)
        return stepped(rotation, self._now())

    async def _publish(self, rotation: Rotation, values: Values) -> Rotation:
        publisher, now = self._provider.publisher, self._now()
        if publisher is not None:
            value = await self._needed_new(values)
            given = await self._mark(await publisher.given())
            if given != rotation.new_fingerprint:
                # What waits for approval isn't written a second time.
                if rotation.pending:
                    return _waits_for_approval(rotation, now, "")
                _refuse_somebody_elses(rotation, given)
                if not rotation.publishing:
                    rotation = replace(rotation, publishing=True)
                    await self._write(rotation)
                if place := await publisher.publish(value):
                    return _waits_for_approval(rotation, now, place)
        settled = now + timedelta(seconds=self._provider.settle_s)
        if not self._provider.settle_s:
            return stepped(rotation, now, pending=False)
        waiting = "for everybody to know the new key"
        return stepped(rotation, now, pending=False, due_at=settled, waiting=waiting)

    async def _switch(self, rotation: Rotation, values: Values) -> Rotation:
        new: Secret | None = None
        if rotation.secret:
            new = await self._needed_new(values)
            await self._refuse_drift(rotation, values)
        if not rotation.switching:
            rotation = replace(rotation, switching=True, version=rotation.version + 1)
            await self._write(rotation)
        if self._provider.activate is not None:
            await self._provider.activate(rotation.new_key)
        if new is not None:
            await values.make_current(new)
        return stepped(rotation, self._now(), switched_at=self._now())

    async def _tell(self, rotation: Rotation, values: Values) -> Rotation:
        del values
        if rotation.secret:
            await self._tell_holders(rotation.secret)
        now = self._now()
        due_at = now + timedelta(seconds=rotation.grace_s)
        return stepped(rotation, now, due_at=due_at, waiting="for holders of the old value")

    async def _revoke(self, rotation: Rotation, values: Values) -> Rotation:
        if rotation.old_key and rotation.old_key == rotation.new_key:
            raise TokenDenied(
                "the old key and the new one are the same, so it is not revoked",
                hint="look at the provider which one is to go",
            )
        new = await self._needed_new(values) if rotation.secret else None
        if new is not None:
            await self._refuse_other_than_new(rotation, values)
        if not rotation.revoking:
            rotation = replace(rotation, revoking=True)
            await self._write(rotation)
        remote = self._provider.remote
        # A request that was cut off may have arrived after the next attempt had looked for its key.
        for key in await remote.tagged(rotation.tag, new):
            if key != rotation.new_key:
                await remote.revoke(key, None, new)
        await remote.revoke(rotation.old_key, await values.old(), new)
        return stepped(rotation, self._now())

    async def _clean(self, rotation: Rotation, values: Values) -> Rotation:
        await values.forget()
        return stepped(rotation, self._now())

    async def _roll_back(self, rotation: Rotation, values: Values) -> Rotation:
        new, old = await values.new(), await values.old()
        # A sync may have taken the new value from where it was published before the switch.
        was_used = is_in_use(rotation) or await self._is_new(rotation, await values.current())
        if was_used:
            await self._put_back(rotation, values, old)
        waits = await self._withdraw(rotation, new, old)
        if waits is not None:
            return waits
        if was_used:
            # Before the new key is ended: who has it takes the old one back first.
            rotation = replace(rotation, version=rotation.version + 1, switching=False)
            await self._write(rotation)
            if rotation.secret:
                await self._tell_holders(rotation.secret)
        remote, by = self._provider.remote, old if old is not None else await values.current()
        found = await remote.tagged(rotation.tag, by)
        doomed = [*found, *([rotation.new_key] if rotation.new_key else [])]
        if not doomed and new is not None:
            doomed = [""]  # a key without a name is known by its value
        for key in dict.fromkeys(doomed):
            if not key or key != rotation.old_key:
                await remote.revoke(key, new if key == rotation.new_key else None, by)
        await values.forget()
        return stepped(rotation, self._now(), pending=False)

    async def _withdraw(
        self, rotation: Rotation, new: Secret | None, old: Secret | None
    ) -> Rotation | None:
        """Publish the old value where the new one is; the record to wait with if that has to be
        approved, while others still need the new key.
        """
        publisher = self._provider.publisher
        if publisher is None or new is None or old is None:
            return None
        if not await self._is_new(rotation, await publisher.given()):
            return None
        withdrawing = rotation.waiting if rotation.pending and rotation.waiting else ""
        place = "" if withdrawing else await publisher.publish(old)
        if place or withdrawing:
            return _waits_for_approval(rotation, self._now(), place)
        return None

    async def _put_back(self, rotation: Rotation, values: Values, old: Secret | None) -> None:
        if self._provider.activate is not None:
            await self._provider.activate(rotation.old_key)
        if not rotation.secret:
            return
        current = await values.current()
        if current is not None and not await self._is_new(rotation, current):
            return  # the old one already, or a third one, whose owner knows why
        if old is None:
            raise TokenDenied(
                "the store has lost the old value, so the new one stays in use",
                hint=f"set {rotation.secret} to a value that is good, then --rollback again",
            )
        await values.make_current(old)

    async def _needed_new(self, values: Values) -> Secret:
        value = await values.new()
        if value is None:
            raise TokenDenied(
                "the store has lost the new value", hint="undo the rotation with --rollback"
            )
        return value

    async def _refuse_drift(self, rotation: Rotation, values: Values) -> None:
        mark = await self._mark(await values.current())
        if not mark or mark not in (rotation.old_fingerprint, rotation.new_fingerprint):
            raise TokenDenied(
                f"{rotation.secret} was changed by somebody else since the rotation began",
                hint="--rollback leaves that value, and ends the new key",
            )

    async def _refuse_other_than_new(self, rotation: Rotation, values: Values) -> None:
        """Before the old key is revoked: what is in use may not be the old one again."""
        current = await values.current()
        if current is None or await self._mark(current) == rotation.old_fingerprint:
            raise TokenUnavailable(
                f"{rotation.secret} holds the old value again, so its key is not revoked",
                hint="did another copy bring it back? put the new one there, or use --rollback",
            )

    async def _is_new(self, rotation: Rotation, value: Secret | None) -> bool:
        return value is not None and await self._mark(value) == rotation.new_fingerprint

    async def _mark(self, value: Secret | None) -> str:
        if value is None:
            return ""
        return await asyncio.to_thread(self._fingerprints.of, value.reveal())


def _refuse_somebody_elses(rotation: Rotation, given: str) -> None:
    """Before a value is published: what is there may be the old one, or nothing."""
    if given not in ("", rotation.old_fingerprint):
        raise TokenDenied(
            f"Configu has another value for {rotation.secret} than the one that is rotated",
            hint="--rollback ends this rotation; make the two the same, then rotate again",
        )


def _waits_for_approval(rotation: Rotation, now: datetime, place: str) -> Rotation:
    waiting = f"for approval at {place}" if place else rotation.waiting
    return replace(
        rotation,
        pending=True,
        waiting=waiting,
        changed_at=now,
        due_at=now + timedelta(seconds=_APPROVAL_S),
        error="",
        hint="",
        attempts=0,
    )
