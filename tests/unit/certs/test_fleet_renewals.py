"""Two hundred workloads whose certificates end at the same moment renew at a bounded rate: by their
own windows, when they are pulled forward, and after an outage. Real rotations and a real issuer's
books, on one clock that the test moves.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certs import csr, keys
from certs.errors import SourceUnavailable
from certs.generation import Generation
from certs.issuer.folder import OpenedIssuer, init, open_issuer
from certs.issuer.one_time_tokens import Grant
from certs.issuer.renew_window import Window
from certs.issuer.signing import Issued
from certs.rotation import Rotation
from certs.sources.base import Identity
from certs.sources.issuer_client import Advice
from certs.sources.issuer_news import suggested_time
from certs.svid import Chain, x509_svid
from identity.secret_stores.base import Secret
from tests.fakes.clock import START, FakeClock, settle
from tests.fakes.issuer import TRUST_DOMAIN

WORKLOADS = 200
LIFE = timedelta(minutes=10)
BUCKET_S = 5


class Fleet:
    """The issuer and what it issued when, in buckets of five seconds."""

    def __init__(self, opened: OpenedIssuer) -> None:
        self.clock = FakeClock()
        self.opened = opened
        self.is_down = False
        self.pulled = asyncio.Event()
        self.issued: Counter[int] = Counter()
        self.serials: dict[int, set[str]] = {}

    def note(self, member: int, serial: str) -> None:
        self.serials.setdefault(member, set()).add(serial)
        self.issued[int((self.clock.now() - START).total_seconds()) // BUCKET_S] += 1

    def peak(self, begin_s: int, end_s: int) -> int:
        """The most certificates in any bucket of that time."""
        return max(self.issued[at] for at in range(begin_s // BUCKET_S, end_s // BUCKET_S + 1))

    def between(self, begin_s: int, end_s: int) -> int:
        return sum(self.issued[at] for at in range(begin_s // BUCKET_S, end_s // BUCKET_S))


class Member:
    """An identity source straight into the issuer's books; news as the issuer source takes them."""

    name = "issuer"
    clock_skew_s: float | None = None

    def __init__(self, fleet: Fleet, number: int, token: Secret) -> None:
        self._fleet = fleet
        self._number = number
        self._token = token
        self._identity: Identity | None = None
        self._has_heard = False

    async def obtain(self, current: Generation | None) -> Identity:
        fleet, now = self._fleet, self._fleet.clock.now()
        if fleet.is_down:
            raise SourceUnavailable("the issuer is down")
        if self._identity is not None and fleet.pulled.is_set() and not self._has_heard:
            self._has_heard = True
            window = fleet.opened.service.renew_window(self._leaf_der(), now)
            self._identity = _suggested(self._identity, window)
            return self._identity
        key = keys.generate()
        request, service = csr.build(key), fleet.opened.service
        if current is None:
            issued = service.join(self._token, request, peer="", now=now)
        else:
            issued = service.renew(self._leaf_der(), request, peer="", now=now)
        self._identity = _identity(issued, key)
        fleet.note(self._number, self._identity.serial)
        return self._identity

    async def changed(self) -> None:
        if self._has_heard:
            await asyncio.Event().wait()
        await self._fleet.pulled.wait()

    async def close(self) -> None:
        """Holds nothing."""

    def _leaf_der(self) -> bytes:
        assert self._identity is not None
        leaf = Chain.from_pem(self._identity.chain_pem).leaf
        return leaf.public_bytes(serialization.Encoding.DER)


def _identity(issued: Issued, key: keys.PrivateKey) -> Identity:
    facts = x509_svid(Chain.from_pem(issued.chain_pem).leaf)
    identity = Identity(
        key_pem=keys.to_pem(key),
        chain_pem=issued.chain_pem,
        bundle_pem=issued.bundle.pem,
        spiffe_id=issued.spiffe_id,
        dns_names=(),
        serial=facts.serial,
        issuer=facts.issuer,
        not_before=facts.not_before,
        not_after=facts.not_after,
    )
    return _suggested(identity, issued.renew_window)


def _suggested(identity: Identity, window: Window) -> Identity:
    advice = Advice(start=window.start, end=window.end)
    return replace(identity, renew_after=suggested_time(identity.serial, advice))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Fleet]:
    init(folder, trust_domain=TRUST_DOMAIN, now=START)
    opened = open_issuer(folder, leaf_life=LIFE)
    # What is measured is when, not how fast: the disk may take its time.
    opened.service._store._db.execute("PRAGMA synchronous = OFF")
    fleet = Fleet(opened)
    tokens = [
        opened.service.make_token(Grant(workload=f"w{number}"), START).text
        for number in range(WORKLOADS)
    ]
    rotations = [
        Rotation(
            Member(fleet, number, tokens[number]),
            clock=fleet.clock,
            rng=random.Random(number),
            publish=lambda _generation: None,
        )
        for number in range(WORKLOADS)
    ]
    tasks = [asyncio.create_task(rotation.run()) for rotation in rotations]
    await settle()
    assert fleet.issued == {0: WORKLOADS}
    try:
        yield fleet
        for rotation in rotations:
            assert rotation.state.generation is not None
            assert rotation.state.generation.not_after > fleet.clock.now()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        opened.service.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "issuer"


@pytest.mark.may_block("the issuer's books are kept on the test's own loop")
async def test_by_their_own_windows(folder: Path) -> None:
    async with running(folder) as fleet:
        await fleet.clock.advance(299)
        assert fleet.between(5, 300) == 0
        await fleet.clock.advance(66)
        assert fleet.between(300, 365) == WORKLOADS
        # 60 s for 200: 17 in 5 s on average.
        assert fleet.peak(300, 365) <= 40
        assert all(len(serials) == 2 for serials in fleet.serials.values())


@pytest.mark.may_block("the issuer's books are kept on the test's own loop")
async def test_pulled_forward(folder: Path) -> None:
    async with running(folder) as fleet:
        await fleet.clock.advance(100)
        fleet.opened.rotation.pull_renewals(timedelta(seconds=100), fleet.clock.now())
        fleet.pulled.set()
        await fleet.clock.advance(105)
        assert fleet.between(100, 210) == WORKLOADS
        # 100 s for 200: 10 in 5 s on average.
        assert fleet.peak(100, 210) <= 30
        await fleet.clock.advance(100)
        assert all(len(serials) == 2 for serials in fleet.serials.values()), "once each"


@pytest.mark.may_block("the issuer's books are kept on the test's own loop")
async def test_after_an_outage(folder: Path) -> None:
    async with running(folder) as fleet:
        await fleet.clock.advance(290)
        fleet.is_down = True
        await fleet.clock.advance(110)
        fleet.is_down = False
        await fleet.clock.advance(60)
        assert fleet.between(400, 460) == WORKLOADS
        # Each waits 1 to 20 s between two attempts, at most a tenth of what is left of its life.
        assert fleet.peak(400, 460) <= 120
