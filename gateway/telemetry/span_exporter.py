"""Sends a span for each request to a collector. Nothing here makes a request wait: what can't be
sent in time is dropped, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from gateway.telemetry.otlp import TIMEOUT, Accepted, Refused, post
from gateway.telemetry.spans import Destination, Value, request_body, spans_of
from identity.web_tls import web_context

_LOG: Final = logging.getLogger(__name__)

#: Lines that may wait for a slow collector, and their bytes.
MOST_WAITING: Final = 8192
MOST_BYTES: Final = 8 * 1024 * 1024
#: How long lines gather, and about how many are sent at once.
EVERY_S: Final = 1.0
MOST_AT_ONCE: Final = 512
#: How often one batch is tried, and the longest pauses in between: our own, and one asked for.
MOST_ATTEMPTS: Final = 6
LONGEST_BACKOFF_S: Final = 30.0
LONGEST_ASKED_S: Final = 300.0


@dataclass(slots=True)
class _Batch:
    """An encoded request, how many spans are in it, and how often it was tried."""

    body: bytes
    count: int
    attempts: int = 0


class SpanExporter:
    """Takes access-log lines on the loop, and sends their spans. `run` is its one task.

    `resource` describes this process.

    Attributes:
        counts: what became of spans: "sent", "rejected" by the collector, or "dropped".
    """

    def __init__(
        self,
        resource: Mapping[str, Value],
        *,
        rng: random.Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resource = resource
        self._version = str(resource.get("service.version", ""))
        self._rng = rng
        self._pause = pause
        self._destination: Destination | None = None
        self._waiting: deque[bytes] = deque()
        self._lines = self._bytes = 0
        self._pending: _Batch | None = None
        self._news = asyncio.Event()
        self._problem = ""
        self.counts = {"sent": 0, "rejected": 0, "dropped": 0}

    def configure(self, destination: Destination | None) -> None:
        """Send there from now on; None sends nothing."""
        self._destination = destination
        if destination is None:
            self._forget()
        elif destination.unavailable:
            self._tell(destination.unavailable)
        if self._waiting or self._pending:
            self._news.set()

    def offer(self, lines: bytes) -> None:
        """Queue the spans of newline-terminated lines; returns at once."""
        if self._destination is None:
            return
        count = lines.count(b"\n")
        if self._lines + count > MOST_WAITING or self._bytes + len(lines) > MOST_BYTES:
            self._drop(count, "too many spans wait")
            return
        self._put(lines, self._waiting.append)
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        await self._news.wait()  # until then no authorities are read, which take their time
        async with await self._session() as session:
            while True:
                await self._news.wait()
                await self._pause(EVERY_S)
                self._news.clear()
                await self._send_all(session, MOST_ATTEMPTS)

    async def finish(self, deadline_s: float) -> None:
        """Send what is left, once `run` has ended: each batch once, and for at most so long."""
        if not self._waiting and not self._pending:
            return
        try:
            async with asyncio.timeout(deadline_s), await self._session() as session:
                await self._send_all(session, 1)
        except TimeoutError:
            left = self._lines + (self._pending.count if self._pending else 0)
            self._forget()
            self._drop(left, "the gateway stops")

    async def _session(self) -> aiohttp.ClientSession:
        context = await asyncio.to_thread(web_context)
        return aiohttp.ClientSession(
            timeout=TIMEOUT,
            trust_env=False,
            headers={"User-Agent": f"devwiz-gw/{self._version}"},
            connector=aiohttp.TCPConnector(ssl=context),
        )

    async def _send_all(self, session: aiohttp.ClientSession, attempts: int) -> None:
        while self._destination and not self._destination.unavailable:
            if self._pending is not None:
                await self._try(session, self._destination, self._pending, attempts)
            elif self._waiting:
                await self._encode_next(self._destination)
            else:
                return

    async def _encode_next(self, destination: Destination) -> None:
        lines = self._take()
        try:
            # In a thread: a full batch takes some milliseconds.
            body, count = await asyncio.to_thread(self._encode, lines, destination)
        except asyncio.CancelledError:
            self._put(lines, self._waiting.appendleft)
            raise
        if count:
            self._pending = _Batch(body, count)

    def _put(self, lines: bytes, where: Callable[[bytes], None]) -> None:
        where(lines)
        self._lines += lines.count(b"\n")
        self._bytes += len(lines)

    def _take(self) -> bytes:
        """About as many lines as go at once."""
        taken: list[bytes] = []
        count = 0
        while self._waiting and count < MOST_AT_ONCE:
            lines = self._waiting.popleft()
            taken.append(lines)
            count += lines.count(b"\n")
            self._bytes -= len(lines)
        self._lines -= count
        return b"".join(taken)

    def _encode(self, lines: bytes, destination: Destination) -> tuple[bytes, int]:
        spans = spans_of(lines, destination.targets, ratio=destination.ratio, rng=self._rng)
        return request_body(self._resource, self._version, spans), len(spans)

    async def _try(
        self,
        session: aiohttp.ClientSession,
        destination: Destination,
        batch: _Batch,
        attempts: int,
    ) -> None:
        """Send the batch, and leave it pending where another attempt may do better."""
        url = f"{destination.endpoint}/v1/traces"
        outcome = await post(session, url, dict(destination.headers), batch.body)
        batch.attempts += 1
        if isinstance(outcome, Refused) and outcome.retryable and batch.attempts < attempts:
            self._tell(outcome.why)
            await self._pause(_delay_s(outcome, batch.attempts, self._rng.random()))
            return
        self._pending = None
        if isinstance(outcome, Accepted):
            self._settle(batch.count, outcome)
        elif outcome.retryable:
            self._drop(batch.count, outcome.why)
        else:
            self.counts["rejected"] += batch.count
            self._tell(outcome.why)

    def _settle(self, count: int, accepted: Accepted) -> None:
        rejected = min(accepted.rejected, count)
        self.counts["sent"] += count - rejected
        self.counts["rejected"] += rejected
        if rejected:
            self._tell(f"the collector rejected spans: {accepted.why or 'it does not say why'}")
        elif self._problem:
            self._problem = ""
            _LOG.info("spans are sent again")

    def _forget(self) -> None:
        self._waiting.clear()
        self._lines = self._bytes = 0
        self._pending = None

    def _drop(self, count: int, why: str) -> None:
        self.counts["dropped"] += count
        self._tell(why)

    def _tell(self, why: str) -> None:
        """Log the first of a row of problems."""
        if not self._problem:
            _LOG.warning("spans can't be sent: %s", why, extra={"event": "spans_not_sent"})
        self._problem = why


def _delay_s(refused: Refused, attempt: int, draw: float) -> float:
    """How long to wait before the next attempt: as asked, else longer each time, with jitter."""
    if refused.retry_after_s is not None:
        return min(refused.retry_after_s, LONGEST_ASKED_S)
    return min(2.0 ** (attempt - 1), LONGEST_BACKOFF_S) * (0.5 + draw / 2)
