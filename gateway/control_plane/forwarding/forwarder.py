"""One forwarder: reads the journal, sends its lines, and keeps how far it has come."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.config.audit_model import ForwardConfig
from gateway.control_plane.forwarding import reader
from gateway.control_plane.forwarding.cursor import Cursor
from gateway.control_plane.forwarding.reader import Mark, Read
from gateway.control_plane.forwarding.record import (
    Away,
    Destination,
    Record,
    Rejected,
    Taken,
    with_hashed_names,
)
from gateway.control_plane.views import ForwardView
from identity.errors import IdentityError

_LOG: Final = logging.getLogger(__name__)

#: From one look at the journal to the next, in seconds.
EVERY_S: Final = 1.0
#: What is sent at once; LangSmith takes 100 runs.
MOST_RECORDS: Final = 100
MOST_BYTES: Final = 512 * 1024
#: The shortest and longest pause after a failure, and the longest that is granted when asked for.
LEAST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 300.0
LONGEST_ASKED_S: Final = 3600.0
#: The pause while something is missing on this machine, such as a secret: looking is cheap.
LOCAL_RETRY_S: Final = 2.0

NameKey = Callable[[], Awaitable[bytes]]
Pause = Callable[[float], Awaitable[None]]


class Forwarder:
    """Passes each line on at least once: a line counts as passed on when the destination has said
    so, and not before that is on the disk. `run` is its one task.

    `name_key` gives the key for `hashed_names`; it raises `IdentityError` where it can't be had.
    """

    def __init__(
        self,
        config: ForwardConfig,
        journal: Path,
        destination: Destination,
        *,
        name_key: NameKey,
        rng: random.Random,
        pause: Pause = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.config = config
        self._journal = journal
        self._destination = destination
        self._name_key = name_key
        self._rng = rng
        self._pause = pause
        self._now = now
        self._cursor = Cursor(journal, config.name)
        self._mark: Mark | None = None
        self._delay_s = LEAST_BACKOFF_S
        self._problem = ""
        self._problem_since: datetime | None = None
        self._has_warned = False
        self._newest = 0
        self._at_rest: object = None
        self._oldest_at: datetime | None = None
        self._sent = self._refused = 0

    @property
    def position(self) -> int:
        """The number of the last line that was passed on."""
        return self._mark.place.seq if self._mark else 0

    def view(self) -> ForwardView:
        """How it stands."""
        return ForwardView(
            name=self.config.name,
            kind=self.config.kind,
            to=self.config.to,
            position=self.position,
            lag=max(0, self._newest - self.position),
            waiting_since=self._oldest_at,
            sent=self._sent,
            refused=self._refused,
            problem=self._problem,
            problem_since=self._problem_since,
        )

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            more = await self.forward()
            await self._pause(more)

    async def finish(self) -> None:
        """Pass on what is left, once `run` has ended, until that fails."""
        while await self.forward() == 0.0:
            pass

    async def close(self) -> None:
        """Let go of the destination, after `run`."""
        await self._destination.close()

    async def forward(self) -> float:
        """Pass on what there is, some hundred lines at most; how long to wait before the next."""
        try:
            batch = await self._next()
            if not batch:
                return EVERY_S
            away = await self._deliver(batch)
        except OSError as error:
            away = Away(f"the journal or cursor: {(error.strerror or str(error)).lower()}")
        if away is None:
            self._recovered()
            return 0.0
        self._tell(away)
        return LOCAL_RETRY_S if away.is_here else self._backoff(away)

    # -- one batch -------------------------------------------------------------------------------

    async def _next(self) -> list[Read]:
        if self._mark is None:
            self._mark = Mark(await asyncio.to_thread(self._cursor.load))
        batch = await asyncio.to_thread(self._read, self._mark)
        self._oldest_at = batch[0].record.at if batch else None
        return batch

    def _read(self, mark: Mark) -> list[Read]:
        """What is behind the mark; a journal that rests is only looked at."""
        self._refused = self._cursor.refused()
        grown_to = reader.grown_to(self._journal)
        if grown_to == self._at_rest:
            return []
        batch = reader.read_after(self._journal, mark, most=MOST_RECORDS, most_bytes=MOST_BYTES)
        self._newest = reader.newest(self._journal)
        self._at_rest = None if batch else grown_to
        return batch

    async def _deliver(self, batch: list[Read]) -> Away | None:
        """Send a batch; one that is rejected in halves, down to the record that is the reason."""
        key = None
        if self.config.hashed_names:
            try:
                key = await self._name_key()
            except IdentityError as error:
                return Away(str(error), is_here=True)
        waiting = [batch]
        while waiting:
            part = waiting.pop()
            records = [with_hashed_names(item.record, key) if key else item.record for item in part]
            verdict = await self._destination.send(records)
            if isinstance(verdict, Away):
                return verdict
            if isinstance(verdict, Rejected) and len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
                continue
            await self._settle(part, records, verdict)
        return None

    async def _settle(
        self, part: list[Read], records: list[Record], verdict: Taken | Rejected
    ) -> None:
        if isinstance(verdict, Rejected) or verdict.rejected:
            await asyncio.to_thread(self._put_aside, records, verdict.why)
        lost = len(part) if isinstance(verdict, Rejected) else min(verdict.rejected, len(part))
        self._sent += len(part) - lost
        mark = part[-1].mark
        await asyncio.to_thread(self._cursor.save, mark.place)
        # Only now: a file of the journal may be removed once its lines are passed on for good.
        self._mark = mark

    def _put_aside(self, records: list[Record], why: str) -> None:
        self._cursor.refuse(records, why, at=self._now())
        self._refused = self._cursor.refused()
        _LOG.error(
            "%s does not take %d line(s) of the audit journal, from number %d: %s",
            self.config.name,
            len(records),
            records[0].seq,
            why,
            extra={"event": "audit_line_refused", "hint": "they are kept beside the journal"},
        )

    # -- failures --------------------------------------------------------------------------------

    def _backoff(self, away: Away) -> float:
        """Decorrelated jitter: from the least pause to three times the last one."""
        longest = min(LONGEST_BACKOFF_S, self._delay_s * 3)
        self._delay_s = self._rng.uniform(LEAST_BACKOFF_S, max(LEAST_BACKOFF_S, longest))
        return max(self._delay_s, min(away.retry_after_s or 0.0, LONGEST_ASKED_S))

    def _recovered(self) -> None:
        self._delay_s = LEAST_BACKOFF_S
        if self._problem:
            self._problem, self._problem_since = "", None
        if self._has_warned:
            self._has_warned = False
            _LOG.info("%s takes the audit journal again", self.config.name)

    def _tell(self, away: Away) -> None:
        """Log the first of a row of problems. Who reads the secrets warns of those that are
        missing, once they should be there: at each start they are still being read.
        """
        self._problem_since = self._problem_since or self._now()
        self._problem = away.why
        if away.is_here or self._has_warned:
            return
        self._has_warned = True
        _LOG.warning(
            "the audit journal can't be sent to %s: %s",
            self.config.name,
            away.why,
            extra={"event": "audit_not_sent"},
        )
