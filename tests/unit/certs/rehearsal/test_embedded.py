"""The issuer in a rehearsal: the shipped one's operations, by the rehearsal's time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from certs.errors import SourceDenied
from certs.rehearsal.embedded import EmbeddedIssuer, EmbeddedSource, Offer, embedded_issuer
from identity.secret_stores.base import Secret
from tests.fakes.issuer import ManualClock, generation_of

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)

pytestmark = pytest.mark.may_block("the rehearsal's folder is made and removed at its ends")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def issuer(clock: ManualClock) -> AsyncIterator[EmbeddedIssuer]:
    offer = Offer(trust_domain="acme.example", life=HOUR)
    async with embedded_issuer(offer, clock) as running:
        yield running


async def source_of(
    issuer: EmbeddedIssuer,
    clock: ManualClock,
    uses: int,
    renewable_after: timedelta = timedelta(0),
) -> EmbeddedSource:
    token = await issuer.token("laptop", uses=uses)

    async def read() -> Secret:
        return token

    return EmbeddedSource("issuer", issuer, clock, read, renewable_after=renewable_after)


def listed(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_it_renews_with_a_new_key_and_needs_no_token(
    issuer: EmbeddedIssuer, clock: ManualClock
) -> None:
    source = await source_of(issuer, clock, uses=1)
    first = await source.obtain(None)
    assert first.spiffe_id == "spiffe://acme.example/agent/laptop"
    assert first.not_after == clock.now() + HOUR
    clock.pass_by(HOUR / 2)
    second = await source.obtain(generation_of(first))
    assert second.key_pem != first.key_pem
    assert second.not_after == clock.now() + HOUR


@pytest.mark.parametrize("uses", [1, 2])
async def test_past_the_end_it_takes_another_join(
    issuer: EmbeddedIssuer, clock: ManualClock, uses: int
) -> None:
    source = await source_of(issuer, clock, uses)
    first = await source.obtain(None)
    clock.pass_by(2 * HOUR)
    if uses == 2:
        assert (await source.obtain(generation_of(first))).not_after == clock.now() + HOUR
        return
    with pytest.raises(SourceDenied, match=r"^join: .*\(token_spent\)$"):
        await source.obtain(generation_of(first))


@pytest.mark.parametrize(("away", "is_renewed"), [(WEEK, True), (WEEK + 2 * HOUR, False)])
async def test_past_the_end_the_key_renews_where_the_source_has_that(
    issuer: EmbeddedIssuer, clock: ManualClock, *, away: timedelta, is_renewed: bool
) -> None:
    source = await source_of(issuer, clock, uses=1, renewable_after=WEEK)
    first = await source.obtain(None)
    clock.pass_by(away)
    if is_renewed:
        assert (await source.obtain(generation_of(first))).not_after == clock.now() + HOUR
        return
    with pytest.raises(SourceDenied, match=r"^join: .*\(token_spent\)$"):
        await source.obtain(generation_of(first))


async def test_a_copied_identity_is_locked(issuer: EmbeddedIssuer, clock: ManualClock) -> None:
    source = await source_of(issuer, clock, uses=1)
    first = generation_of(await source.obtain(None))
    second = generation_of(await source.obtain(first))
    await source.obtain(second)
    with pytest.raises(SourceDenied, match=r"^renew: .*\(generation_mismatch\)$"):
        await source.obtain(first)


async def test_nothing_is_left_of_it(clock: ManualClock, tmp_path: Path) -> None:
    offer = Offer(trust_domain="acme.example", life=HOUR)
    async with embedded_issuer(offer, clock, within=tmp_path):
        (folder,) = listed(tmp_path)
        assert folder.stat().st_mode & 0o077 == 0
    assert listed(tmp_path) == []
