"""The revocation lists that come with an identity: followed as long as it is in use."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from certs.clock import Clock
from certs.errors import CertsError, SourceUnavailable
from certs.generation import Generation
from certs.revocation import RevocationLists, ends_at, gap, read_lists
from certs.sources.base import FoundLists, RevocationSource

_LOG: Final = logging.getLogger(__name__)

# Between two questions of which the first was kept waiting, or brought news.
_NEXT_S: Final = 1.0
# Where the source doesn't let us wait for news.
_POLL_S: Final = 15.0
_WAS_KEPT_S: Final = 2.0
# A source that signs no lists may be replaced by one that does.
_NONE_S: Final = 600.0
_RETRY_FIRST_S: Final = 2.0
_RETRY_MOST_S: Final = 60.0
# A source that is away is no problem of the lists before they come to their end: no certificate
# lives for longer.
_WORTH_A_WORD: Final = timedelta(hours=24)


class FollowedLists:
    """Asks a source for its lists for ever; one that fails leaves the last good ones in use.

    Args:
        changed: called when there are other lists, or another problem.
        concerned: called with the reason when our own certificate was put on a list, or taken off.
    """

    def __init__(
        self,
        source: RevocationSource,
        *,
        clock: Clock,
        rng: random.Random,
        changed: Callable[[], None],
        concerned: Callable[[str], None],
    ) -> None:
        self._source = source
        self._clock = clock
        self._rng = rng
        self._changed = changed
        self._concerned = concerned
        self._generation: Generation | None = None
        self._found: FoundLists | None = None
        self._lists: RevocationLists = ()
        self._from = ""
        self._listed = ""
        self._retry_s = 0.0
        self._problem = ""
        self._is_away = False
        self._wake = asyncio.Event()

    @property
    def text(self) -> str:
        """The lists to go by, PEM; "" for none."""
        generation = self._generation
        if self._found is None or generation is None or generation.source != self._from:
            return ""
        return self._found.pem.decode("ascii", "replace")

    @property
    def ends_at(self) -> datetime | None:
        """When an authority is left without a list in force."""
        return ends_at(self._lists)

    def problem(self, now: datetime) -> str:
        """What is wrong with the lists, or with getting new ones; "" when all is well."""
        end = self.ends_at
        if self._is_away and end is not None and end - now > _WORTH_A_WORD:
            return ""
        return gap(self._lists, now) or self._problem

    def use(self, generation: Generation) -> None:
        """Go by this one's lists from now on."""
        before, self._generation = self._generation, generation
        if before is None or before.source != generation.source or self._found is None:
            self._wake.set()

    async def run(self) -> None:
        """Follow them; cancelled at the end."""
        while True:
            self._wake.clear()
            if self._generation is None:
                await self._wake.wait()
                continue
            await self._pause(await self._round(self._generation))

    async def _round(self, generation: Generation) -> float:
        """Ask once; seconds until the next time."""
        known = self._found if self._from == generation.source else None
        began = self._clock.now()
        try:
            found = await self._source.revocation_lists(generation, known)
        except CertsError as error:
            return self._fail(str(error), is_away=isinstance(error, SourceUnavailable))
        except Exception:  # noqa: BLE001 - a defect here must not end the identity with it
            _LOG.exception("the revocation lists can't be followed")
            return self._fail("the revocation lists can't be followed: this is a defect")
        self._retry_s = 0.0
        is_news = self._take(found, generation)
        if found is None:
            return _NONE_S
        was_kept = (self._clock.now() - began).total_seconds() >= _WAS_KEPT_S
        spread = 0.5 + self._rng.random()
        return (_NEXT_S if is_news or was_kept else _POLL_S) * spread

    def _take(self, found: FoundLists | None, generation: Generation) -> bool:
        is_news = found != self._found or self._from != generation.source
        had_problem, self._problem = self._problem, ""
        if is_news:
            self._found, self._from = found, generation.source
            self._lists = read_lists(found.pem) if found else ()
            _LOG.info("revocation lists of %s taken in", generation.source)
        if is_news or had_problem:
            self._changed()
        self._look_for_own(self._generation or generation)
        return is_news

    def _look_for_own(self, generation: Generation) -> None:
        serial = int(generation.serial, 16)
        is_listed = any(
            item.get_revoked_certificate_by_serial_number(serial) is not None
            for item in self._lists
        )
        if is_listed and self._listed != generation.serial:
            self._listed = generation.serial
            self._concerned("our own certificate is on the issuer's revocation list")
        elif not is_listed and self._listed:
            was_ours = self._listed == generation.serial
            self._listed = ""
            if was_ours:
                self._concerned("our own certificate is off the issuer's revocation list again")

    def _fail(self, problem: str, *, is_away: bool = False) -> float:
        if problem != self._problem:
            level = logging.INFO if is_away else logging.WARNING
            _LOG.log(level, "%s; the last good revocation lists stay in use", problem)
            self._problem, self._is_away = problem, is_away
            self._changed()
        self._retry_s = min(_RETRY_MOST_S, max(_RETRY_FIRST_S, self._retry_s * 2))
        return self._retry_s * (0.5 + self._rng.random() / 2)

    async def _pause(self, seconds: float) -> None:
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        waking = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
