"""What every identity source promises, whatever it speaks.

A test module for a source derives from `IdentitySourceContract`, gives a `stage` fixture, and gets
the tests. They use real certificates and no other knowledge of the source.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import pytest
from cryptography import x509

from certs import keys
from certs.bundle import TrustBundle
from certs.clock import Clock
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.rotation import Rotation
from certs.sources.base import Identity, IdentitySource
from certs.svid import Chain
from tests.fakes.clock import FakeClock

_SHORT_S = 0.3
_LONG_S = 20.0


class Stage(Protocol):
    """A source and the strings behind it.

    Attributes:
        clock: the clock that the source judges by.
        makes_new_keys: whether each identity has a new key without anybody's help.
    """

    source: IdentitySource
    clock: Clock
    makes_new_keys: bool

    async def prepare_next(self) -> None:
        """See to it that the next `obtain` can give a newer identity than the last."""
        ...

    async def break_off(self) -> None:
        """Make the other side unreachable, absent or failing, as an outage does."""
        ...

    async def mend(self) -> None:
        """Undo `break_off`."""
        ...


def generation(identity: Identity, source: IdentitySource, number: int = 1) -> Generation:
    """The identity as the rotation would publish it."""
    return Generation(
        number=number,
        key_pem=identity.key_pem,
        chain_pem=identity.chain_pem,
        bundle_pem=identity.bundle_pem,
        spiffe_id=identity.spiffe_id,
        dns_names=identity.dns_names,
        serial=identity.serial,
        issuer=identity.issuer,
        source=source.name,
        not_before=identity.not_before,
        not_after=identity.not_after,
    )


class IdentitySourceContract:
    """Derive from it and give a fixture `stage`."""

    async def test_identity_is_whole(self, stage: Stage) -> None:
        identity = await stage.source.obtain(None)
        chain = Chain.from_pem(identity.chain_pem)
        assert keys.fits(keys.from_pem(identity.key_pem), chain.leaf)
        assert TrustBundle.from_pem(identity.bundle_pem)
        assert identity.serial == f"{chain.leaf.serial_number:x}"
        assert identity.not_before == chain.leaf.not_valid_before_utc
        assert identity.not_after == chain.leaf.not_valid_after_utc
        assert identity.not_before.tzinfo is not None
        assert identity.not_before <= stage.clock.now() < identity.not_after
        _check_names(identity, chain.leaf)

    async def test_successor_is_another_certificate_for_the_same_name(self, stage: Stage) -> None:
        first = await stage.source.obtain(None)
        await stage.prepare_next()
        second = await stage.source.obtain(generation(first, stage.source))
        assert (second.serial, second.issuer) != (first.serial, first.issuer)
        assert second.spiffe_id == first.spiffe_id
        assert second.not_after >= first.not_after
        if stage.makes_new_keys:
            assert second.key_pem != first.key_pem

    async def test_outage_is_told_and_passes(self, stage: Stage) -> None:
        first = await stage.source.obtain(None)
        await stage.break_off()
        with pytest.raises(SourceUnavailable) as caught:
            async with asyncio.timeout(_LONG_S):
                await stage.source.obtain(generation(first, stage.source))
        assert str(caught.value)
        assert "\n" not in str(caught.value)
        await stage.mend()
        await stage.prepare_next()
        async with asyncio.timeout(_LONG_S):
            second = await stage.source.obtain(generation(first, stage.source))
        assert second.serial != first.serial

    async def test_outage_at_the_start_is_told_and_passes(self, stage: Stage) -> None:
        await stage.break_off()
        with pytest.raises((SourceUnavailable, SourceDenied, ReplyRejected)):
            async with asyncio.timeout(_LONG_S):
                await stage.source.obtain(None)
        await stage.mend()
        await stage.prepare_next()
        assert (await stage.source.obtain(None)).serial

    async def test_the_rotation_keeps_its_rules(self, stage: Stage) -> None:
        """One attempt at a time, none within the floor, and a pause after a failure."""
        clock, watched = FakeClock(stage.clock.now()), OneAtATime(stage.source)
        published: list[Generation] = []
        rotation = Rotation(watched, clock=clock, rng=random.Random(1), publish=published.append)
        task = asyncio.create_task(rotation.run())
        try:
            await _until(lambda: len(published) == 1)
            await stage.prepare_next()
            for _ in range(20):
                rotation.refresh("everybody wants it")
            await clock.advance(4.9)
            assert watched.asked == 1, "not within the floor"
            await _advance_to_earliest(rotation, clock)
            await _until(lambda: len(published) == 2)
            assert watched.asked == 2
            await stage.break_off()
            rotation.refresh("once more")
            await _advance_to_earliest(rotation, clock)
            await _until(lambda: bool(rotation.state.last_error))
            state = rotation.state
            assert state.generation is published[-1], "the good one stays"
            assert state.next_attempt is not None
            assert 1 <= (state.next_attempt - clock.now()).total_seconds() <= 60
            asked = watched.asked
            rotation.refresh("and again")
            await clock.advance(0.8)
            assert watched.asked == asked, "not within a second of a failure"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await stage.mend()

    async def test_no_news_while_nothing_happens(self, stage: Stage) -> None:
        await stage.source.obtain(None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(_SHORT_S):
                await stage.source.changed()

    async def test_watch_and_obtain_can_be_cancelled(self, stage: Stage) -> None:
        for waiting in (stage.source.changed(), stage.source.obtain(None)):
            task = asyncio.ensure_future(waiting)
            await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError, CertsError):
                await task
        await stage.prepare_next()
        assert (await stage.source.obtain(None)).serial

    async def test_nothing_secret_is_shown(self, stage: Stage) -> None:
        identity = await stage.source.obtain(None)
        shown = repr(identity) + repr(stage.source) + repr(generation(identity, stage.source))
        assert "BEGIN" not in shown
        assert "PRIVATE" not in shown

    async def test_has_the_name_of_the_configuration(self, stage: Stage) -> None:
        assert stage.source.name.isidentifier() or "-" in stage.source.name

    async def test_close_leaves_no_task(self, stage: Stage) -> None:
        await stage.source.obtain(None)
        before = asyncio.all_tasks()
        await stage.source.close()
        assert asyncio.all_tasks() <= before


class OneAtATime:
    """A source that is asked by one task only, and how often it was."""

    def __init__(self, source: IdentitySource) -> None:
        self._source = source
        self._is_busy = False
        self.asked = 0

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def clock_skew_s(self) -> float | None:
        return self._source.clock_skew_s

    async def obtain(self, current: Generation | None) -> Identity:
        assert not self._is_busy, "two attempts at a time"
        self._is_busy, self.asked = True, self.asked + 1
        try:
            return await self._source.obtain(current)
        finally:
            self._is_busy = False

    async def changed(self) -> None:
        await self._source.changed()

    async def close(self) -> None:
        await self._source.close()


async def _until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LONG_S):
        while not check():
            await asyncio.sleep(0.01)


async def _advance_to_earliest(rotation: Rotation, clock: FakeClock) -> None:
    earliest = rotation.state.earliest_attempt
    assert earliest is not None
    await clock.advance(max(0.0, (earliest - clock.now()).total_seconds()) + 0.1)


def _check_names(identity: Identity, leaf: x509.Certificate) -> None:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert identity.spiffe_id in {"", *uris}
    assert identity.dns_names == tuple(names.get_values_for_type(x509.DNSName))
