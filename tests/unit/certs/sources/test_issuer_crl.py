"""Revocation lists of the real issuer, and of servers that pose as one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from certs.errors import IdentityLocked, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.issuer import ca, crl
from certs.issuer.ca import Authority
from certs.issuer.folder import open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.locking import LockOrder
from certs.issuer.locks import LockKind, Target
from certs.issuer.one_time_tokens import Grant
from certs.revocation import read_lists
from certs.sources.base import FoundLists, RevocationSource
from certs.sources.chain import ChainSource
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, generation_of
from tests.fakes.scripted_issuer import ScriptedIssuer

BOT = Target(kind=LockKind.BOT, name="planner")


async def joined(server: IssuerServer, clock: ManualClock) -> tuple[IssuerSource, Generation]:
    token = (await server.make_token(Grant(workload="planner"))).text

    async def read_token() -> Secret:
        return token

    source = IssuerSource(url=server.url, ca_pin=server.ca_pin, read_token=read_token, clock=clock)
    return source, generation_of(await source.obtain(None))


async def lock(folder: Path, clock: ManualClock, order: LockOrder | None) -> None:
    """As another process does; None lifts it."""

    def act() -> None:
        opened = open_issuer(folder)
        try:
            if order is None:
                opened.locking.unlock(BOT, clock.now())
            else:
                opened.locking.lock(order, clock.now())
        finally:
            opened.service.close()

    await asyncio.to_thread(act)


def serials(found: FoundLists | None) -> list[str]:
    assert found is not None
    return [f"{entry.serial_number:x}" for item in read_lists(found.pem) for entry in item]


async def test_the_lists_say_who_is_locked(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    source, current = await joined(server, clock)
    first = await source.revocation_lists(current, None)
    assert serials(first) == []
    waiting = asyncio.create_task(source.revocation_lists(current, first))
    await lock(folder, clock, LockOrder(target=BOT))
    async with asyncio.timeout(20):
        second = await waiting
    assert serials(second) == [current.serial]


async def test_known_lists_that_are_old_already_are_replaced_at_once(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    source, current = await joined(server, clock)
    first = await source.revocation_lists(current, None)
    await lock(folder, clock, LockOrder(target=BOT))
    async with asyncio.timeout(15):
        assert serials(await source.revocation_lists(current, first)) == [current.serial]


async def test_a_lock_is_an_error_of_its_own_and_heals(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    source, current = await joined(server, clock)
    order = LockOrder(target=BOT, message="call \N{BELL} Ada", ttl=timedelta(hours=1))
    await lock(folder, clock, order)
    with pytest.raises(IdentityLocked, match="renew: this workload has been locked") as caught:
        await source.obtain(current)
    until = (clock.now() + timedelta(hours=1)).isoformat(timespec="seconds")
    assert str(caught.value).endswith(f": call \N{BELL} Ada; until {until}")
    assert caught.value.is_revoked
    await lock(folder, clock, None)
    assert (await source.obtain(current)).serial != current.serial


async def test_a_lock_may_leave_the_certificate_in_use(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    source, current = await joined(server, clock)
    await lock(folder, clock, LockOrder(target=BOT, revoke=None))
    with pytest.raises(IdentityLocked) as caught:
        await source.obtain(current)
    assert not caught.value.is_revoked


async def test_a_chain_asks_the_source_of_the_identity(
    server: IssuerServer, clock: ManualClock
) -> None:
    source, current = await joined(server, clock)
    chain = ChainSource([source], clock=clock)
    assert isinstance(chain, RevocationSource)
    assert serials(await chain.revocation_lists(current, None)) == []
    other = generation_of(await source.obtain(current))
    object.__setattr__(other, "source", "files")
    assert await chain.revocation_lists(other, None) is None


class Posed:
    """A source, and a server whose answer to it a test scripts."""

    def __init__(self, source: IssuerSource, current: Generation, authority: Authority) -> None:
        self.source = source
        self.current = current
        self.authority = authority


@pytest.fixture
async def posed(clock: ManualClock) -> AsyncIterator[tuple[ScriptedIssuer, Posed]]:
    from certs import keys
    from certs.profiles import LeafNames, Terms, serial_from

    authority = ca.make(trust_domain=TRUST_DOMAIN, now=clock.now(), random=os.urandom).authority
    issuer = ScriptedIssuer(authority, clock)
    await issuer.start()
    key = keys.generate()
    leaf = authority.sign_workload(
        key.public_key(),
        names=LeafNames(spiffe_id=f"spiffe://{TRUST_DOMAIN}/agent/planner"),
        terms=Terms(serial=serial_from(os.urandom(20)), now=clock.now(), life=timedelta(hours=1)),
    )

    async def no_token() -> Secret:
        raise AssertionError("no list needs a token")

    source = IssuerSource(url=issuer.url, ca_pin=authority.pin, read_token=no_token, clock=clock)
    current = Generation(
        number=1,
        key_pem=keys.to_pem(key),
        chain_pem=authority.chain_pem(leaf),
        bundle_pem=ca.to_pem(authority.root),
        spiffe_id=f"spiffe://{TRUST_DOMAIN}/agent/planner",
        dns_names=(),
        serial=f"{leaf.serial_number:x}",
        issuer="",
        source="issuer",
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )
    yield issuer, Posed(source, current, authority)
    await issuer.stop()


async def fetched(issuer: ScriptedIssuer, posed: Posed, status: int, body: bytes) -> object:
    issuer.always("/v1/crl.pem", lambda: web.Response(status=status, body=body))
    return await posed.source.revocation_lists(posed.current, None)


async def test_an_issuer_from_before_there_were_lists_has_none(
    posed: tuple[ScriptedIssuer, Posed],
) -> None:
    assert await fetched(*posed, 404, b"") is None


async def test_a_busy_issuer_is_asked_again(posed: tuple[ScriptedIssuer, Posed]) -> None:
    with pytest.raises(SourceUnavailable, match="crl"):
        await fetched(*posed, 503, b"")


async def test_lists_that_would_end_everything_are_rejected(
    posed: tuple[ScriptedIssuer, Posed], clock: ManualClock
) -> None:
    authority = posed[1].authority
    now = clock.now()
    stranger = ca.make(trust_domain=TRUST_DOMAIN, now=now, random=os.urandom).authority
    good = crl.sign(authority, (), number=1, now=now)
    hostile = {
        "there is no revocation list in PEM": b"<html>sign in</html>",
        "is cut off": good[:-40],
        "has not signed the list in its name": authority.root_crl_pem
        + crl.sign(stranger, (), number=1, now=now),
        "there is no revocation list of CN=acme.example root": good,
        "there is no revocation list of CN=acme.example issuing": authority.root_crl_pem,
        "has expired": authority.root_crl_pem
        + crl.sign(authority, (), number=1, now=now - crl.LIFE),
    }
    for problem, body in hostile.items():
        with pytest.raises(ReplyRejected, match=problem):
            await fetched(*posed, 200, body)
    assert await fetched(*posed, 200, authority.root_crl_pem + good) is not None


async def test_lists_are_taken_from_nobody_but_the_issuer(
    posed: tuple[ScriptedIssuer, Posed], clock: ManualClock
) -> None:
    """Another workload of the same authority poses as it."""
    issuer = ScriptedIssuer(
        posed[1].authority, clock, server_id=f"spiffe://{TRUST_DOMAIN}/agent/other"
    )
    await issuer.start()
    source = IssuerSource(
        url=issuer.url, ca_pin=issuer.authority.pin, read_token=_none, clock=clock
    )
    with pytest.raises(SourceDenied, match="is not the issuer"):
        await source.revocation_lists(posed[1].current, None)
    await issuer.stop()


async def _none() -> Secret:
    raise AssertionError
