"""One token, kept fresh by the one task that asks its source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Final

from certs.clock import Clock
from gateway.config.headers import fits_a_header
from identity.errors import TokenDenied, TokenEnded, TokenUnavailable
from identity.fault import Fault
from identity.secret_stores.base import Secret
from identity.token_sources.base import KeepingSource, Token, TokenSource
from identity.token_sources.refresh import pause_s, retry_s

_LOG: Final = logging.getLogger(__name__)

#: How often the wall clock is looked at: a machine that slept wakes to a token that has ended.
TICK_S: Final = 5.0
#: How often a token is asked for because an upstream refuses the present one.
RENEW_EVERY_S: Final = 30.0
#: The deadline of one question, beside the source's own.
FETCH_S: Final = 60.0


class TokenKeeper:
    """Asks a source ahead of its token's end. A token that was given stays in use to its end while
    the source fails, and no longer; one whose session was ended is dropped at once.

    Args:
        changed: called when `value` or `problem` is another one.
    """

    def __init__(
        self,
        name: str,
        source: TokenSource,
        changed: Callable[[], None],
        *,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._name = name
        self._source = source
        self._changed = changed
        self._clock = clock
        self._rng = rng
        self._token: Token | None = None
        self._failures = 0
        self._is_refused = False
        self._problem = f"the token {name} is still being asked for"
        self._wanted = asyncio.Event()
        self._renewed_at: datetime | None = None
        self._renewal: asyncio.Event | None = None
        #: Set once the source was asked for the first time, or again because of `retry`.
        self.asked = asyncio.Event()

    @property
    def value(self) -> Secret | None:
        """The token, while there is one that has not ended."""
        token = self._token
        return token.value if token is not None and not self._has_ended(token) else None

    @property
    def problem(self) -> str:
        """Why there is no token, or the next one can't be had; "" when all is well."""
        if not self._problem and self.value is None:
            return f"the token {self._name} has ended"
        return self._problem

    async def run(self) -> None:
        """Keep the token fresh for ever; cancelled at the end, which closes the source."""
        try:
            while True:
                pause = await self._ask()
                self.asked.set()
                self._end_renewal()
                await self._wait(self._clock.now() + timedelta(seconds=pause))
        finally:
            self._end_renewal()
            await self._source.close()

    async def renew(self) -> bool:
        """An upstream refused the token, whose end is not near: ask now, and return when there is
        an answer. All who call meanwhile get this one. False when nothing is asked: it was, a
        moment ago, or the source fails and is asked at the pace of its failures.
        """
        if self._renewal is None:
            now, before = self._clock.now(), self._renewed_at
            is_soon = before is not None and abs((now - before).total_seconds()) < RENEW_EVERY_S
            if is_soon or self._failures:
                return False
            self._renewed_at = now
            if self._token is not None and isinstance(self._source, KeepingSource):
                self._source.refused(self._token.value)
            self._renewal = asyncio.Event()
            self._wanted.set()
        await self._renewal.wait()
        return True

    def retry(self) -> asyncio.Event:
        """A person may have put right what the source refuses for: if it does, ask now, and not at
        the pace of refusals. The result is set with the answer.
        """
        if self._is_refused:
            self.asked.clear()
            self._wanted.set()
        return self.asked

    def _end_renewal(self) -> None:
        self._wanted.clear()
        if self._renewal is not None:
            self._renewal.set()
            self._renewal = None

    async def _wait(self, until: datetime) -> None:
        """Wait by the wall clock, noticing when the token ends meanwhile, or is refused."""
        while (left_s := (until - self._clock.now()).total_seconds()) > 0:
            if await self._is_wanted_within(min(TICK_S, left_s)):
                return
            if self._token is not None and self._has_ended(self._token):
                self._token = None
                self._changed()
                return

    async def _is_wanted_within(self, seconds: float) -> bool:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait((sleep, wanted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wanted.cancel()
        return self._wanted.is_set()

    async def _ask(self) -> float:
        """Ask once; how long to wait with the next question."""
        try:
            async with asyncio.timeout(FETCH_S):
                token = await self._source.fetch()
            self._check(token)
        except TimeoutError:
            return self._fail(TokenUnavailable(f"no answer in {FETCH_S:g} s"))
        except Fault as error:
            return self._fail(error)
        before, self._token = self._token, token
        self._failures, self._is_refused = 0, False
        is_news = before is None or before.value.reveal() != token.value.reveal()
        if self._problem or is_news:
            self._problem = ""
            self._changed()
        return pause_s(token, self._clock.now(), self._rng.random())

    def _check(self, token: Token) -> None:
        if not fits_a_header(token.value.reveal()):
            raise TokenDenied("it holds characters that can't be in a header")
        if self._has_ended(token):
            raise TokenUnavailable("the source gave one that has ended", hint="check the clock")

    def _fail(self, error: Fault) -> float:
        self._failures += 1
        self._is_refused = not error.retryable
        if isinstance(error, TokenEnded):
            self._token = None
        problem = f"the token {self._name} can't be had: {error}"
        if error.hint:
            problem += f"; {error.hint}"
        if problem != self._problem:
            self._problem = problem
            _LOG.warning("%s", problem, extra={"event": "token_problem"})
            self._changed()
        return retry_s(
            self._failures,
            self._rng.random(),
            denied=self._is_refused,
            told_s=getattr(error, "retry_after_s", None),
        )

    def _has_ended(self, token: Token) -> bool:
        return token.expires_at is not None and self._clock.now() >= token.expires_at
