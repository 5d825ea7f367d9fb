"""The one task that owns the identity: it obtains, renews, numbers and publishes generations."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from certs import clock_skew, renewal
from certs.clock import BootClock
from certs.errors import (
    CertsError,
    IdentityLocked,
    IdentityWithdrawn,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
    of_defect,
)
from certs.generation import Generation
from certs.renewal import IdentityState
from certs.sources.base import Identity, IdentitySource

_LOG: Final = logging.getLogger(__name__)

# A source has deadlines of its own; this one is for a source that lost count.
_OBTAIN_TIMEOUT_S: Final = 60.0
# A busy machine is this late now and then.
_SLEPT_S: Final = 5.0
# NTP moves a clock by less, and more often.
_SET_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationState:
    """What is known of the identity at one moment.

    Attributes:
        generation: the last good one, expired or not; None before the first.
        since: where the life of `generation` is counted from; None before the first.
        next_attempt: when the source is asked again.
        earliest_attempt: the time before which it is not asked, whoever wishes it.
        last_error: why the last of them failed; "" after a good reply.
        reason: why there is no usable identity, or why there may soon be none; "" when all is well.
        renewals: attempts so far by outcome: "ok", "unavailable", "denied", "rejected"; all of them
            took `renewal_s`.
        clock_skew_s: by how much this machine's clock is ahead of the source's, where it tells.
    """

    state: IdentityState
    generation: Generation | None = None
    since: datetime | None = None
    next_attempt: datetime | None = None
    earliest_attempt: datetime | None = None
    last_error: str = ""
    last_error_hint: str = ""
    last_error_at: datetime | None = None
    reason: str = ""
    renewals: dict[str, int]
    renewal_s: float = 0.0
    clock_skew_s: float | None = None


class Rotation:
    """Keeps one identity fresh.

    A failed renewal never replaces a good identity, unless the source says that it is withdrawn or
    revoked: then it ends at once. A failure is logged, and kept in `state`. `publish` is called
    with every new generation, `failed` after every attempt that brought none, both on the loop;
    neither may block.
    """

    def __init__(
        self,
        source: IdentitySource,
        *,
        clock: BootClock,
        rng: random.Random,
        publish: Callable[[Generation], None],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._rng = rng
        self._publish = publish
        self._failed = failed
        self._plan = renewal.start(clock.now())
        self._generation: Generation | None = None
        # The last one as it came: also when it was ended early, it may be what the source knows.
        self._obtained: Generation | None = None
        self._failure: CertsError | None = None
        self._failed_at: datetime | None = None
        self._renewals: dict[str, int] = {}
        self._renewal_s = 0.0
        self._clock_skew_s: float | None = None
        self._wanted = ""
        self._has_news = False
        self._wake = asyncio.Event()
        self._first = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Rotation({self._source.name}, {self.state.state.value}, {self._generation})"

    @property
    def state(self) -> RotationState:
        """The present state, judged by the clock of now."""
        state = renewal.state_at(self._plan, self._clock.now())
        return RotationState(
            state=state,
            generation=self._generation,
            since=self._plan.schedule.begin if self._plan.schedule else None,
            next_attempt=self._plan.due,
            earliest_attempt=self._plan.earliest,
            last_error=str(self._failure) if self._failure else "",
            last_error_hint=self._failure.hint if self._failure else "",
            last_error_at=self._failed_at if self._failure else None,
            reason=self._reason(state),
            renewals=dict(self._renewals),
            renewal_s=self._renewal_s,
            clock_skew_s=self._clock_skew_s,
        )

    def refresh(self, reason: str) -> None:
        """Ask for a renewal now. Returns at once; several calls make one renewal. It comes no
        sooner after a success than the floor allows, nor before the source's Retry-After is over.
        """
        if not self._wanted:
            _LOG.info("renewal asked for: %s", reason)
        self._wanted = reason
        self._wake.set()

    def hear(self, news: str) -> None:
        """Ask for a renewal because the source's side has something new to say of our identity; it
        waits for the least of floors only.
        """
        self._has_news = True
        self.refresh(news)

    async def wait_first(self, deadline_s: float) -> bool:
        """Whether a first identity was published within the deadline."""
        first = asyncio.create_task(self._first.wait())
        timer = asyncio.create_task(self._clock.sleep(deadline_s))
        try:
            await asyncio.wait((first, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            first.cancel()
            timer.cancel()
        return self._first.is_set()

    async def run(self) -> None:
        """Renew for ever. Faults of the source end up in `state`; cancel to stop."""
        self._plan = renewal.start(self._clock.now())
        try:
            while True:
                await self._until_due()
                await self._stop_watching()
                await self._attempt()
        finally:
            await self._stop_watching()

    # One attempt

    async def _attempt(self) -> None:
        began = self._clock.now()
        try:
            self._accept(await self._obtain())
        except SourceDenied as error:
            self._fail(error, "denied")
        except SourceUnavailable as error:
            self._fail(error, "unavailable")
        except CertsError as error:
            self._fail(error, "rejected")
        self._note_skew(self._source.clock_skew_s)
        # No less than nothing, should the clock be set meanwhile.
        self._renewal_s += max(0.0, (self._clock.now() - began).total_seconds())
        # Wishes that came meanwhile are answered by this attempt, too.
        self._wanted, self._has_news = "", False
        self._wake.clear()

    async def _obtain(self) -> Identity:
        asking = asyncio.create_task(self._source.obtain(self._obtained))
        timer = asyncio.create_task(self._clock.sleep(_OBTAIN_TIMEOUT_S))
        try:
            await asyncio.wait((asking, timer), return_when=asyncio.FIRST_COMPLETED)
            is_late = not asking.done()
        finally:
            asking.cancel()
            timer.cancel()
            await asyncio.gather(asking, timer, return_exceptions=True)
        if is_late:
            raise SourceUnavailable(
                f"the source {self._source.name!r} didn't answer within {_OBTAIN_TIMEOUT_S:.0f} s"
            )
        return _outcome(asking)

    def _accept(self, identity: Identity) -> None:
        now, current = self._clock.now(), self._generation
        if identity.not_after <= now:
            raise ReplyRejected(
                f"the source's certificate expired at {identity.not_after.isoformat()}"
            )
        kept = self._plan.schedule
        if current is not None and kept is not None and _leaf_of(current) == _leaf_of(identity):
            # Its bundle or chain may be new, but it doesn't live longer for that.
            got = renewal.moved(kept, identity.renew_after)
            if _material(current) == _material(identity):
                self._same_again(got, now)
                return
        else:
            got = self._scheduled(identity, now)
            _check_better(current, identity, got, now)
        self._settle(got, now)
        self._generation = _generation(identity, current, self._source.name)
        self._obtained = self._generation
        self._first.set()
        self._tell(self._generation)
        self._publish(self._generation)

    def _same_again(self, kept: renewal.Schedule, now: datetime) -> None:
        if kept.renew_at <= now:
            raise ReplyRejected(
                "the source still gives the same certificate",
                hint="whoever makes it has not renewed it yet",
            )
        _LOG.info("the source has no newer certificate")
        self._settle(kept, now)

    def _scheduled(self, identity: Identity, now: datetime) -> renewal.Schedule:
        return renewal.schedule(
            identity.not_before,
            identity.not_after,
            obtained=now,
            draw=self._rng.random(),
            suggested=identity.renew_after,
        )

    def _settle(self, got: renewal.Schedule, now: datetime) -> None:
        self._plan = renewal.renewed(self._plan, got, now, self._rng.random())
        self._failure = None
        self._renewals["ok"] = self._renewals.get("ok", 0) + 1

    def _tell(self, generation: Generation) -> None:
        _LOG.info(
            "identity generation %d: %s, serial %s, until %s, renewal at %s",
            generation.number,
            generation.spiffe_id or "no SPIFFE id",
            generation.serial,
            generation.not_after.isoformat(),
            self._plan.due.isoformat(timespec="seconds"),
        )
        if self._plan.backoff_s:
            _LOG.warning("the source's certificate was due for renewal when it came")

    def _fail(self, error: CertsError, outcome: str) -> None:
        now = self._clock.now()
        is_news = self._failure is None or str(self._failure) != str(error)
        self._failure, self._failed_at = error, now
        self._renewals[outcome] = self._renewals.get(outcome, 0) + 1
        if isinstance(error, IdentityWithdrawn) or _is_revoked(error):
            self._end_now(now)
        self._plan = renewal.failed(
            self._plan,
            now,
            self._rng.random(),
            retry_after_s=error.retry_after_s if isinstance(error, SourceUnavailable) else None,
            is_denied=isinstance(error, SourceDenied),
            is_locked=isinstance(error, IdentityLocked),
        )
        _LOG.log(
            logging.WARNING if is_news else logging.DEBUG,
            "no new identity (attempt %d), next try in %.0f s: %s",
            self._plan.failures,
            (self._plan.due - now).total_seconds(),
            error,
        )
        self._failed()

    def _end_now(self, now: datetime) -> None:
        """Publish that the identity has ended, which cuts what uses it."""
        if self._generation is None or self._generation.not_after <= now:
            return
        self._plan = renewal.withdrawn(self._plan, now)
        number = self._generation.number + 1
        self._generation = replace(self._generation, number=number, not_after=now)
        self._publish(self._generation)

    def _reason(self, state: IdentityState) -> str:
        why = f": {self._failure}" if self._failure else ""
        match state:
            case IdentityState.WAITING:
                return f"no identity has been obtained yet{why}"
            case IdentityState.LOCKED:
                return f"the identity is locked{why}"
            case IdentityState.EXPIRED if isinstance(self._failure, IdentityWithdrawn):
                return f"the identity was withdrawn{why}"
            case IdentityState.EXPIRED:
                return f"the identity has expired and could not be renewed{why}"
            case IdentityState.DEGRADED:
                return f"the identity can't be renewed and is about to expire{why}"
            case IdentityState.RENEWING | IdentityState.VALID:
                return f"the renewal failed and is tried again{why}" if self._failure else ""

    def _note_skew(self, skew_s: float | None) -> None:
        was_told = clock_skew.is_large(self._clock_skew_s)
        self._clock_skew_s = skew_s
        if (remark := clock_skew.remark(skew_s, "the source's")) and not was_told:
            _LOG.warning("%s: certificates may be refused as expired or not valid yet", remark)

    # Waiting

    async def _until_due(self) -> None:
        """Sleep in ticks until the wall clock says that it is time, or somebody asks."""
        while True:
            now = self._clock.now()
            due = renewal.next_attempt(
                self._plan, is_wanted=bool(self._wanted), has_news=self._has_news
            )
            if now >= due:
                return
            wait_s, boottime = renewal.next_wait(now, due), self._clock.boottime()
            await self._wait(wait_s)
            self._look_for_jump(now, boottime, wait_s)

    async def _wait(self, seconds: float) -> None:
        """Sleep, unless a wish comes or the source has something new."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._source.changed())
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        waking = asyncio.create_task(self._wake.wait())
        # A watcher that has ended has nothing more to say until the next attempt.
        watchers = () if self._watcher.done() else (self._watcher,)
        try:
            await asyncio.wait((sleeping, waking, *watchers), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
        self._wake.clear()
        if watchers and self._watcher.done():
            self._hear(self._watcher)

    def _hear(self, watcher: asyncio.Task[None]) -> None:
        error = asyncio.CancelledError() if watcher.cancelled() else watcher.exception()
        if error is None:
            self.hear("the source has something new")
        else:
            fault = error if isinstance(error, CertsError) else of_defect(error)
            _LOG.warning("the source can't be watched until the next attempt: %s", fault)

    async def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    def _look_for_jump(self, before: datetime, boottime: float, waited_s: float) -> None:
        now, passed_s = self._clock.now(), self._clock.boottime() - boottime
        set_by_s = (now - before).total_seconds() - passed_s
        if abs(set_by_s) > _SET_S:
            _LOG.info("the wall clock was set by %+.0f s", set_by_s)
            self._plan = renewal.clock_set(self._plan, timedelta(seconds=set_by_s))
            if self._clock_skew_s is not None:
                self._clock_skew_s += set_by_s
        if passed_s > waited_s + _SLEPT_S:
            _LOG.info("the machine slept for %.0f s", passed_s - waited_s)
            self._plan = renewal.slept(self._plan, now)


def _check_better(
    current: Generation | None, identity: Identity, got: renewal.Schedule, now: datetime
) -> None:
    """A reply that is due already is better than none, and than one that ends sooner."""
    if current is None or got.renew_at > now or identity.not_after > current.not_after:
        return
    raise ReplyRejected(
        "the source's certificate is due for renewal already and ends no later than ours",
        hint="does the issuer hand out old certificates, or is a clock wrong?",
    )


def _is_revoked(error: CertsError) -> bool:
    return isinstance(error, IdentityLocked) and error.is_revoked


def _outcome(asking: asyncio.Task[Identity]) -> Identity:
    """What an attempt came to; a defect in a source must not end the renewals."""
    error = asyncio.CancelledError() if asking.cancelled() else asking.exception()
    if error is None:
        return asking.result()
    if isinstance(error, CertsError):
        raise error
    raise of_defect(error) from None


def _leaf_of(holder: Generation | Identity) -> tuple[str, str, datetime]:
    return (holder.serial, holder.issuer, holder.not_after)


def _material(holder: Generation | Identity) -> tuple[bytes, bytes, bytes]:
    return (holder.key_pem, holder.chain_pem, holder.bundle_pem)


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
