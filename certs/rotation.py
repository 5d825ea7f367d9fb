"""The one task that owns the identity: it obtains, renews, numbers and publishes generations."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.clock import Clock
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.renewal import (
    IdentityState,
    backoff,
    floor_between,
    identity_state,
    next_wait,
    renew_at,
    retry_wait,
)
from certs.sources.base import Identity, IdentitySource

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationState:
    """What is known of the identity at one moment.

    Attributes:
        generation: the last good one, expired or not; None before the first.
        next_attempt: when the source is asked again.
        reason: why there is no usable identity, or why there may soon be none; "" when all is well.
        renewals: attempts so far by outcome: "ok", "unavailable", "denied", "rejected".
    """

    state: IdentityState
    generation: Generation | None = None
    next_attempt: datetime | None = None
    last_error: str = ""
    last_error_hint: str = ""
    last_error_at: datetime | None = None
    reason: str = ""
    renewals: dict[str, int]


class Rotation:
    """Keeps one identity fresh.

    A failed renewal never replaces a good identity; each failure is logged once and kept in
    `state`. `publish` is called with every new generation, on the loop, and must not block.
    """

    def __init__(
        self,
        source: IdentitySource,
        *,
        clock: Clock,
        rng: random.Random,
        publish: Callable[[Generation], None],
    ) -> None:
        self._source = source
        self._clock = clock
        self._rng = rng
        self._publish = publish
        self._generation: Generation | None = None
        self._published_at: datetime | None = None
        self._due: datetime | None = None
        self._backoff_s = 0.0
        self._failure: CertsError | None = None
        self._failed_at: datetime | None = None
        self._renewals: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._wanted = ""
        self._first = asyncio.Event()

    @property
    def state(self) -> RotationState:
        """The present state, judged by the clock of now."""
        now = self._clock.now()
        generation = self._generation
        state = identity_state(
            generation.not_after if generation else None,
            now,
            last_attempt_failed=self._failure is not None,
        )
        return RotationState(
            state=state,
            generation=generation,
            next_attempt=self._due,
            last_error=str(self._failure) if self._failure else "",
            last_error_hint=self._failure.hint if self._failure else "",
            last_error_at=self._failed_at if self._failure else None,
            reason=self._reason(state),
            renewals=dict(self._renewals),
        )

    def _reason(self, state: IdentityState) -> str:
        why = f": {self._failure}" if self._failure else ""
        if state is IdentityState.WAITING:
            return f"no identity has been obtained yet{why}"
        if state is IdentityState.EXPIRED:
            return f"the identity has expired and could not be renewed{why}"
        return f"renewing the identity failed{why}" if self._failure else ""

    def refresh(self, reason: str) -> None:
        """Ask for a renewal now. Returns at once; several calls make one renewal, and none comes
        sooner after the last success than the floor allows.
        """
        if not self._wanted:
            _LOG.info("renewal asked for: %s", reason)
        self._wanted = reason
        self._wake.set()

    async def wait_first(self, deadline_s: float) -> bool:
        """Whether a first identity was published within the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._first.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Renew for ever. Faults of the source end up in `state`; cancel to stop."""
        watcher = asyncio.create_task(self._watch_source())
        try:
            while True:
                await self._attempt()
                await self._until_due()
        finally:
            watcher.cancel()

    async def _watch_source(self) -> None:
        while True:
            await self._source.changed()
            self.refresh("the source has something new")
            # Time for the attempt to take the news in, so that one change wakes us once.
            await self._clock.sleep(1.0)

    # -- one attempt -----------------------------------------------------------------------------

    async def _attempt(self) -> None:
        self._wanted = ""
        self._wake.clear()
        try:
            identity = await self._source.obtain(self._generation)
            self._accept(identity)
        except SourceDenied as error:
            self._failed(error, "denied", denied=True)
        except SourceUnavailable as error:
            self._failed(error, "unavailable", retry_after_s=error.retry_after_s)
        except CertsError as error:
            self._failed(error, "rejected")

    def _accept(self, identity: Identity) -> None:
        now = self._clock.now()
        before = self._generation
        if identity.not_after <= now:
            raise ReplyRejected("the source's certificate has already expired")
        due = renew_at(
            identity.not_before,
            identity.not_after,
            self._rng.random(),
            obtained=now,
            suggested=identity.renew_after,
        )
        self._failure = None
        self._backoff_s = 0.0
        self._count("ok")
        floor = floor_between(identity.not_after - now)
        self._due = max(due, now + floor)
        if before is not None and (before.chain_pem, before.bundle_pem) == (
            identity.chain_pem,
            identity.bundle_pem,
        ):
            _LOG.debug("the source still has the same certificate")
            return
        self._generation = _generation(identity, before, self._source.name)
        self._published_at = now
        self._first.set()
        _LOG.info(
            "identity generation %d: %s, serial %s, until %s",
            self._generation.number,
            self._generation.spiffe_id or "no SPIFFE id",
            self._generation.serial,
            self._generation.not_after.isoformat(),
        )
        self._publish(self._generation)

    def _failed(
        self,
        error: CertsError,
        outcome: str,
        *,
        retry_after_s: float | None = None,
        denied: bool = False,
    ) -> None:
        now = self._clock.now()
        self._failure, self._failed_at = error, now
        self._count(outcome)
        self._backoff_s = backoff(self._backoff_s, self._rng.random())
        generation = self._generation
        left_s = (generation.not_after - now).total_seconds() if generation else None
        wait_s = retry_wait(
            self._backoff_s, retry_after_s=retry_after_s, denied=denied, left_s=left_s
        )
        self._due = now + timedelta(seconds=wait_s)
        _LOG.warning("obtaining an identity failed, next try in %.0f s: %s", wait_s, error)

    def _count(self, outcome: str) -> None:
        self._renewals[outcome] = self._renewals.get(outcome, 0) + 1

    # -- waiting ---------------------------------------------------------------------------------

    async def _until_due(self) -> None:
        """Sleep in ticks until the wall clock says that it is time, or somebody asks."""
        while True:
            now = self._clock.now()
            due = self._due or now
            if self._wanted:
                due = min(due, self._earliest(now))
            if now >= due or self._turned_back(now):
                return
            await self._wait(next_wait(now, due))

    def _earliest(self, now: datetime) -> datetime:
        """When a wish may be granted: at once, but for the floor after a success and the back-off
        after a failure.
        """
        if self._failure is not None:
            return min(self._due or now, (self._failed_at or now) + timedelta(seconds=1))
        if self._generation is None or self._published_at is None:
            return now
        life = self._generation.not_after - self._generation.not_before
        return self._published_at + floor_between(life)

    def _turned_back(self, now: datetime) -> bool:
        """Whether the clock was set back to before the last success: its times mean nothing now."""
        return self._published_at is not None and now < self._published_at - timedelta(minutes=5)

    async def _wait(self, seconds: float) -> None:
        """Sleep, unless a wish comes."""
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        waking = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
        self._wake.clear()


def _generation(identity: Identity, before: Generation | None, source: str) -> Generation:
    return Generation(
        number=before.number + 1 if before else 1,
        key_pem=identity.key_pem,
        chain_pem=identity.chain_pem,
        bundle_pem=identity.bundle_pem,
        spiffe_id=identity.spiffe_id,
        dns_names=identity.dns_names,
        serial=identity.serial,
        issuer=identity.issuer,
        source=source,
        not_before=identity.not_before,
        not_after=identity.not_after,
    )
