"""Several identity sources in order: the first that gives an identity is the one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from certs.clock import Clock, SystemClock
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
from certs.sources.base import FoundLists, Identity, IdentitySource, RevocationSource
from certs.sources.breaker import Breaker

_LOG: Final = logging.getLogger(__name__)

# All of them together have to end before the rotation's own deadline.
_TOTAL_S: Final = 50.0


class _Member:
    """A source with what the chain remembers of it.

    Attributes:
        latest: the last generation that came from it, by which it may renew, also after its end.
    """

    def __init__(self, source: IdentitySource) -> None:
        self.source = source
        self.breaker = Breaker()
        self.latest: Generation | None = None


class ChainSource:
    """An `IdentitySource` over several, of different names, best first.

    A source that failed is passed over for some time while another one is left to ask, so that a
    dead one doesn't hold up each renewal; when all have failed, all are asked.
    """

    def __init__(self, sources: Sequence[IdentitySource], *, clock: Clock | None = None) -> None:
        self._members = [_Member(source) for source in sources]
        self._clock = clock or SystemClock()
        self._active: _Member | None = None

    @property
    def name(self) -> str:
        """That of the source whose identity came last; before the first one, of all."""
        if self._active is not None:
            return self._active.source.name
        return "-".join(member.source.name for member in self._members)

    def __repr__(self) -> str:
        return f"ChainSource({', '.join(repr(member.source) for member in self._members)})"

    @property
    def clock_skew_s(self) -> float | None:
        """What the source in use tells, else the first one that tells any."""
        told = [member.source.clock_skew_s for member in self._members]
        if self._active is not None:
            told.insert(0, self._active.source.clock_skew_s)
        return next((skew_s for skew_s in told if skew_s is not None), None)

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        for member in self._members:
            if current is not None and current.source == member.source.name:
                member.latest = current
        errors: dict[str, CertsError] = {}
        now = self._clock.now()
        # A stable sort: those that are passed over come last, in their order.
        for member in sorted(self._members, key=lambda member: member.breaker.is_open(now)):
            try:
                identity = await self._ask(member)
            except CertsError as error:
                member.breaker = member.breaker.failed(error, self._clock.now())
                errors[member.source.name] = error
                _LOG.debug("the source %s gave no identity: %s", member.source.name, error)
                continue
            member.breaker = Breaker()
            self._turn_to(member, errors)
            return identity
        raise _summed_up(errors, current)

    async def changed(self) -> None:
        """Return when the source in use, or one before it, has something new."""
        watched = self._members
        if self._active is not None:
            watched = watched[: watched.index(self._active) + 1]
        watches = {asyncio.ensure_future(member.source.changed()): member for member in watched}
        try:
            pending = set(watches)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for watch in done:
                    error = watch.exception()
                    if error is None:
                        watches[watch].breaker = Breaker()
                        return
                    _LOG.debug(
                        "the source %s can't be watched: %s", watches[watch].source.name, error
                    )
            await asyncio.Event().wait()
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def revocation_lists(
        self, current: Generation, known: FoundLists | None
    ) -> FoundLists | None:
        """See `RevocationSource.revocation_lists`: those of the source that gave `current`."""
        for member in self._members:
            source = member.source
            if source.name == current.source and isinstance(source, RevocationSource):
                return await source.revocation_lists(current, known)
        return None

    async def close(self) -> None:
        """Close them all."""
        for member in self._members:
            await member.source.close()

    async def _ask(self, member: _Member) -> Identity:
        deadline_s = _TOTAL_S / len(self._members)
        try:
            async with asyncio.timeout(deadline_s):
                return await member.source.obtain(member.latest)
        except TimeoutError as error:
            raise SourceUnavailable(f"no answer within {deadline_s:.0f} s") from error
        except CertsError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect in one source is none of the chain
            raise of_defect(error) from None

    def _turn_to(self, member: _Member, errors: dict[str, CertsError]) -> None:
        if self._active is not member and (self._active is not None or errors):
            why = "; ".join(f"{name}: {error}" for name, error in errors.items())
            _LOG.warning(
                "the identity now comes from %s%s", member.source.name, why and f" ({why})"
            )
        self._active = member


def _summed_up(errors: dict[str, CertsError], current: Generation | None) -> CertsError:
    """One error for all; of the kind that promises most."""
    text = "; ".join(f"{name}: {error}" for name, error in errors.items())
    hint = "; ".join(f"{name}: {error.hint}" for name, error in errors.items() if error.hint)
    found = list(errors.values())
    if current is not None and isinstance(errors.get(current.source), IdentityWithdrawn):
        return IdentityWithdrawn(text, hint=hint)
    if current is not None and isinstance(locked := errors.get(current.source), IdentityLocked):
        return IdentityLocked(text, hint=hint, is_revoked=locked.is_revoked)
    if any(isinstance(error, SourceUnavailable) for error in found):
        return SourceUnavailable(text, hint=hint, retry_after_s=_earliest(found))
    if all(isinstance(error, SourceDenied) for error in found):
        return SourceDenied(text, hint=hint)
    return ReplyRejected(text, hint=hint)


def _earliest(errors: list[CertsError]) -> float | None:
    """The shortest wait that was asked for, if nobody may be asked before."""
    waits = [error.retry_after_s for error in errors if isinstance(error, SourceUnavailable)]
    asked = [wait for wait in waits if wait is not None]
    return min(asked) if asked and len(asked) == len(waits) else None
