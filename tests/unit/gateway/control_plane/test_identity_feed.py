from __future__ import annotations

import asyncio
import random

from certs.clock import SystemClock
from certs.errors import SourceUnavailable
from certs.generation import Generation
from certs.sources.base import Identity
from gateway.control_plane.identity_feed import RotationFeed
from tests.fakes.feeds import generation


class FakeSource:
    name = "fake"
    clock_skew_s = None

    def __init__(self) -> None:
        self.down = True
        self.closed = False

    async def obtain(self, current: Generation | None) -> Identity:
        if self.down:
            raise SourceUnavailable("the issuer does not answer", hint="start it")
        made = generation()
        return Identity(
            key_pem=made.key_pem,
            chain_pem=made.chain_pem,
            bundle_pem=made.bundle_pem,
            spiffe_id=made.spiffe_id,
            dns_names=(),
            serial=made.serial,
            issuer=made.issuer,
            not_before=made.not_before,
            not_after=made.not_after,
        )

    async def changed(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


async def test_the_view_follows_the_rotation() -> None:
    source = FakeSource()
    published: asyncio.Queue[Generation] = asyncio.Queue()
    failed = asyncio.Event()
    feed = RotationFeed(
        source, published.put_nowait, failed.set, clock=SystemClock(), rng=random.Random(1)
    )
    assert feed.view().state == "waiting"
    task = asyncio.create_task(feed.run())
    async with asyncio.timeout(30):
        await failed.wait()
    view = feed.view()
    assert (view.source, view.last_error_hint) == ("fake", "start it")
    assert "the issuer does not answer" in view.reason
    source.down = False
    feed.refresh("test")
    async with asyncio.timeout(30):
        got = await published.get()
    view = feed.view()
    assert got.serial == "01"
    assert (view.state, view.reason, view.last_error) == ("valid", "", "")
    assert view.since is not None
    assert view.earliest_renewal is not None
    assert view.next_renewal is not None
    assert view.since < view.earliest_renewal < view.next_renewal
    assert view.renewals["ok"] == 1
    task.cancel()
    await feed.close()
    assert source.closed
