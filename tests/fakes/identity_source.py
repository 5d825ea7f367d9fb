"""An identity source that answers what the test put into it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from certs.clock import Clock
from certs.generation import Generation
from certs.sources.base import Identity

Reply = Identity | BaseException | timedelta


def identity(
    not_before: datetime,
    not_after: datetime,
    *,
    serial: str = "01",
    bundle: bytes = b"BUNDLE",
    renew_after: datetime | None = None,
) -> Identity:
    """An identity with made-up material."""
    return Identity(
        key_pem=f"KEY {serial}".encode(),
        chain_pem=f"CHAIN {serial}".encode(),
        bundle_pem=bundle,
        spiffe_id="spiffe://acme.example/gw",
        dns_names=(),
        serial=serial,
        issuer="CN=acme",
        not_before=not_before,
        not_after=not_after,
        renew_after=renew_after,
    )


class FakeSource:
    """Gives the scripted replies in order: an identity, an exception, or a fresh identity of so
    long a life; when they run out, fresh ones of `life`.
    """

    name = "fake"
    clock_skew_s: float | None = None

    def __init__(self, clock: Clock, *replies: Reply, life: timedelta = timedelta(hours=1)) -> None:
        self.replies = list(replies)
        self.asked_at: list[datetime] = []
        self.currents: list[Generation | None] = []
        self.watch_fault: BaseException | None = None
        self.gate: asyncio.Event | None = None
        self.is_busy = False
        self.closed = False
        self._clock = clock
        self._life = life
        self._news = asyncio.Event()

    async def obtain(self, current: Generation | None) -> Identity:
        assert not self.is_busy, "a source is called by one task only"
        self._news.clear()
        self.asked_at.append(self._clock.now())
        self.currents.append(current)
        self.is_busy = True
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.is_busy = False
        reply = self.replies.pop(0) if self.replies else self._life
        if isinstance(reply, BaseException):
            raise reply
        return reply if isinstance(reply, Identity) else self.fresh(reply)

    def fresh(self, life: timedelta, *, back_dated: timedelta = timedelta(0)) -> Identity:
        now = self._clock.now()
        return identity(now - back_dated, now + life, serial=f"{len(self.asked_at):02x}")

    def push(self) -> None:
        self._news.set()

    async def changed(self) -> None:
        assert not self.is_busy
        if self.watch_fault is not None:
            raise self.watch_fault
        await self._news.wait()

    async def close(self) -> None:
        self.closed = True
