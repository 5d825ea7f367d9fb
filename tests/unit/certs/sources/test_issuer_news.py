"""The issuer source follows the bundle and the renewal window, against the real issuer."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs import csr, keys
from certs.bundle import TrustBundle
from certs.clock import Clock
from certs.errors import SourceDenied, SourceUnavailable
from certs.issuer import bundle_document, ca
from certs.issuer.authority_rotation import AuthorityRotation
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import init, open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.one_time_tokens import Grant
from certs.profiles import LeafNames, Terms
from certs.sources import issuer_client
from certs.sources.base import Identity
from certs.sources.issuer import IssuerSource
from certs.sources.issuer_client import Advice
from certs.sources.issuer_news import suggested_time
from identity.secret_stores.base import Secret
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, generation_of
from tests.fakes.scripted_issuer import ScriptedIssuer

DEADLINE_S = 20


class TimelessClock:
    """The time of `clock`; waits are over at once and leave it alone."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> ManualClock:
    # TLS goes by the real time, so what is issued later in a test must have begun by then.
    return ManualClock(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=26))


@pytest.fixture
def folder(tmp_path: Path, clock: ManualClock) -> Path:
    folder = tmp_path / "issuer"
    init(folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    return folder


@pytest.fixture
async def server(folder: Path, clock: ManualClock) -> AsyncIterator[IssuerServer]:
    server = IssuerServer(folder, clock=clock)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def source(server: IssuerServer, clock: ManualClock) -> IssuerSource:
    token = (await server.make_token(Grant(workload="planner"))).text
    return source_of(server.url, server.ca_pin, token, TimelessClock(clock))


def source_of(url: str, pin: str, token: Secret, clock: Clock) -> IssuerSource:
    async def read_token() -> Secret:
        return token

    return IssuerSource(url=url, ca_pin=pin, read_token=read_token, clock=clock)


async def operate(
    folder: Path, clock: ManualClock, act: Callable[[AuthorityRotation, datetime], object]
) -> None:
    """What a command does in another process."""

    def run() -> None:
        opened = open_issuer(folder)
        act(opened.rotation, clock.now())
        opened.service.close()

    await asyncio.to_thread(run)


async def enter(folder: Path, clock: ManualClock, *phases: Phase) -> None:
    def walk(rotation: AuthorityRotation, now: datetime) -> None:
        for phase in phases:
            rotation.enter(phase, now)

    await operate(folder, clock, walk)


async def news(source: IssuerSource) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await source.changed()


def count(identity: Identity) -> int:
    return len(TrustBundle.from_pem(identity.bundle_pem).authorities)


async def test_a_new_authority_comes_with_the_same_certificate(
    source: IssuerSource, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    watching = asyncio.create_task(news(source))
    await enter(folder, clock, Phase.INIT)
    await watching
    second = await source.obtain(generation_of(first))
    assert (second.serial, second.key_pem) == (first.serial, first.key_pem)
    assert (count(first), count(second)) == (1, 2)
    assert second.renew_after == first.renew_after


async def test_a_phase_that_wants_renewals_moves_the_time_and_then_gets_one(
    source: IssuerSource, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    assert first.renew_after is not None
    assert first.renew_after >= clock.now() + timedelta(minutes=30)
    clock.pass_by(timedelta(minutes=10))
    watching = asyncio.create_task(news(source))
    await enter(folder, clock, Phase.INIT, Phase.UPDATE_CLIENTS)
    await watching
    second = await source.obtain(generation_of(first))
    assert second.serial == first.serial
    assert second.renew_after is not None
    assert clock.now() < second.renew_after < clock.now() + timedelta(minutes=15)
    clock.time = second.renew_after
    third = await source.obtain(generation_of(second))
    assert third.serial != second.serial
    assert third.issuer == "CN=acme.example issuing 2"


async def test_what_is_due_by_the_new_window_is_renewed_at_once(
    source: IssuerSource, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    clock.pass_by(timedelta(minutes=20))
    watching = asyncio.create_task(news(source))
    await operate(
        folder,
        clock,
        lambda rotation, now: rotation.pull_renewals(timedelta(seconds=1), now),
    )
    await watching
    clock.pass_by(timedelta(seconds=1))
    assert (await source.obtain(generation_of(first))).serial != first.serial


async def test_news_before_a_watch_are_found(
    source: IssuerSource, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    await enter(folder, clock, Phase.INIT)
    await news(source)
    assert count(await source.obtain(generation_of(first))) == 2


async def test_a_renewal_answers_news_that_were_not_taken(
    source: IssuerSource, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    await enter(folder, clock, Phase.INIT)
    renewed = await source.obtain(generation_of(first))
    assert (renewed.serial != first.serial, count(renewed)) == (True, 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await source.changed()


async def test_an_outage_is_waited_out(
    source: IssuerSource, server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    first = await source.obtain(None)
    await server.stop()
    watching = asyncio.create_task(news(source))
    await enter(folder, clock, Phase.INIT)
    again = IssuerServer(folder, clock=clock, port=server.port)
    await again.start()
    await watching
    assert count(await source.obtain(generation_of(first))) == 2
    await again.stop()


# Issuers that behave in other ways


class Scripted:
    """A source that has joined a scripted issuer, and what its bundle requests asked for."""

    def __init__(self, clock: ManualClock) -> None:
        new = ca.make(trust_domain=TRUST_DOMAIN, now=clock.now(), random=os.urandom)
        self.issuer = ScriptedIssuer(new.authority, clock)
        self.clock = TimelessClock(clock)
        self.queries: list[dict[str, str]] = []
        self.documents: list[Any] = []

    async def start(self, joined: Identity, source: IssuerSource) -> None:
        source._news.follow(joined, 1)
        self.issuer.answers["/v1/bundle"] = self._bundle

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        found = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        return web.Response(status=found) if isinstance(found, int) else web.json_response(found)


@pytest.fixture
async def scripted(clock: ManualClock) -> AsyncIterator[Scripted]:
    scripted = Scripted(clock)
    await scripted.issuer.start()
    yield scripted
    await scripted.issuer.stop()


async def following(scripted: Scripted) -> tuple[IssuerSource, Identity]:
    """A source whose identity the scripted issuer's authority signed."""
    authority = scripted.issuer.authority

    async def join(request: web.Request) -> web.StreamResponse:
        request_pem = (await request.json())["csr_pem"].encode()
        leaf = authority.sign_workload(
            csr.parse(request_pem).public_key,
            names=LeafNames(spiffe_id=f"spiffe://{TRUST_DOMAIN}/agent/planner"),
            terms=Terms(serial=77, now=scripted.clock.now(), life=timedelta(hours=1)),
        )
        reply = {
            "chain_pem": authority.chain_pem(leaf).decode(),
            "bundle_pem": ca.to_pem(authority.root).decode(),
        }
        return web.json_response(reply)

    scripted.issuer.answers["/v1/join"] = join
    scripted.issuer.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(authority.root)))
    scripted.issuer.always("/v1/renew-window", lambda: web.Response(status=404))
    source = source_of(scripted.issuer.url, authority.pin, Secret("dgwj_x"), scripted.clock)
    identity = await source.obtain(None)
    await scripted.start(identity, source)
    return source, identity


def document_of(scripted: Scripted, sequence: int, *, own: bool = True, others: int = 0) -> Any:
    """A bundle document with the issuer's own authority, or without it, and with others."""
    made = [
        ca.make(
            trust_domain=TRUST_DOMAIN,
            now=scripted.clock.now(),
            random=os.urandom,
            number=number + 2,
        ).authority.root
        for number in range(others)
    ]
    roots = ([scripted.issuer.authority.root] if own else []) + made
    pem = b"".join(map(ca.to_pem, roots))
    if not pem:
        return {"keys": [], "spiffe_sequence": sequence}
    return bundle_document.document(pem, sequence=sequence)


async def test_an_issuer_that_doesnt_wait_is_asked_now_and_then(scripted: Scripted) -> None:
    source, identity = await following(scripted)
    same = document_of(scripted, 1)
    scripted.documents = [same, same, same, document_of(scripted, 2, others=1)]
    await news(source)
    assert [float(wait) >= 15 for wait in scripted.clock.waits[:3]] == [True] * 3
    assert scripted.queries[0] == {"after": "1", "wait": "20"}
    assert count(await source.obtain(generation_of(identity))) == 2


async def test_after_a_failure_it_asks_without_waiting_and_then_waits_again(
    scripted: Scripted,
) -> None:
    source, _ = await following(scripted)
    same = document_of(scripted, 1)
    scripted.documents = [503, 503, same, document_of(scripted, 2, others=1)]
    await news(source)
    assert [bool(query) for query in scripted.queries[:4]] == [True, False, False, True]
    first, second = scripted.clock.waits[:2]
    assert 2 <= first <= 4 <= second <= 8


async def test_an_empty_bundle_is_never_taken(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    source, identity = await following(scripted)
    empty = document_of(scripted, 2, own=False)
    good = document_of(scripted, 3, others=1)
    scripted.documents = [empty, empty, good]
    with caplog.at_level(logging.WARNING):
        await news(source)
    assert "bundle is empty; the last good one stays" in caplog.text
    assert count(await source.obtain(generation_of(identity))) == 2


async def test_a_bundle_that_doesnt_cover_us_is_not_taken_and_brings_a_renewal(
    scripted: Scripted,
) -> None:
    source, identity = await following(scripted)
    scripted.documents = [document_of(scripted, 2, own=False, others=1)]
    scripted.issuer.always("/v1/renew", lambda: web.Response(status=503))
    await news(source)
    with pytest.raises(SourceUnavailable, match="renew"):
        await source.obtain(generation_of(identity))
    assert scripted.issuer.paths[-1] == "/v1/renew"


@pytest.mark.parametrize(
    "bad", [{"keys": "none"}, {"keys": [{"use": "x509-svid", "x5c": ["AAAA"]}]}, []]
)
async def test_what_is_no_bundle_is_passed_over(scripted: Scripted, bad: Any) -> None:
    source, identity = await following(scripted)
    good = document_of(scripted, 2, others=1)
    scripted.documents = [bad, good]
    await news(source)
    assert count(await source.obtain(generation_of(identity))) == 2


async def test_a_change_that_is_none_is_no_news(scripted: Scripted) -> None:
    source, _ = await following(scripted)
    scripted.documents = [document_of(scripted, 2)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await source.changed()
    assert source._news._sequence == 2


def test_the_instant_in_a_window_is_stable_and_inside() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    advice = Advice(start=start, end=start + timedelta(hours=1))
    picks = {serial: suggested_time(serial, advice) for serial in map(str, range(200))}
    assert all(found and start <= found < advice.end for found in picks.values())
    assert picks == {serial: suggested_time(serial, advice) for serial in picks}
    assert len(set(picks.values())) == 200


@pytest.mark.parametrize(
    "window",
    [
        None,
        "soon",
        {},
        {"start": 1, "end": 2},
        {"start": "2026-03-01T00:00:00", "end": "2026-03-02T00:00:00"},
        {"start": "2026-03-01T00:00:00", "end": "2026-03-02T00:00:00+00:00"},
        {"start": "2026-03-02T00:00:00+00:00", "end": "2026-03-01T00:00:00+00:00"},
        {"start": "2026-03-02T00:00:00+00:00", "end": "9999-12-31T23:59:59-23:59"},
        {"start": "0001-01-01T00:00:00+23:59", "end": "2026-03-01T00:00:00+00:00"},
    ],
    ids=["none", "text", "empty", "numbers", "no zone", "mixed", "backwards", "late", "early"],
)
async def test_a_window_that_is_none_leaves_our_own_rule(scripted: Scripted, window: Any) -> None:
    _, identity = await following(scripted)
    reply = {
        "chain_pem": identity.chain_pem.decode(),
        "bundle_pem": identity.bundle_pem.decode(),
        "renew_window": window,
    }
    body = web.json_response(reply).body
    assert isinstance(body, bytes)
    assert issuer_client._reply("renew", body).advice is None
    assert identity.renew_after is None


async def test_who_expired_comes_back_by_the_bundle_it_had(
    source: IssuerSource, server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    """Its pin is the old authority's, and the issuer's server shows the new one's certificate."""
    first = await source.obtain(None)
    await enter(folder, clock, Phase.INIT)
    await news(source)
    ended = generation_of(await source.obtain(generation_of(first)))
    await enter(folder, clock, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS)
    ended = replace(ended, not_after=clock.now())
    token = (await server.make_token(Grant(workload="planner"))).text
    old_pin = keys.spki_pin(TrustBundle.from_pem(first.bundle_pem).authorities[0])
    again = source_of(server.url, old_pin, token, TimelessClock(clock))
    with pytest.raises(SourceDenied, match="join: the server at"):
        await again.obtain(None)
    assert (await again.obtain(ended)).issuer == "CN=acme.example issuing 2"


@pytest.mark.parametrize("phases", [1, 2, 3], ids=["init", "clients", "servers"])
async def test_a_new_gateway_joins_in_every_phase_by_the_pins_of_both(
    server: IssuerServer, folder: Path, clock: ManualClock, phases: int
) -> None:
    pins: list[str] = []

    def walk(rotation: AuthorityRotation, now: datetime) -> None:
        for phase in (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS)[:phases]:
            pins[:] = rotation.enter(phase, now).pins

    await operate(folder, clock, walk)
    token = (await server.make_token(Grant(workload="planner"))).text
    first, second = pins

    async def read_token() -> Secret:
        return token

    source = IssuerSource(
        url=server.url,
        ca_pin=second,
        other_ca_pins=[first],
        read_token=read_token,
        clock=TimelessClock(clock),
    )
    assert count(await source.obtain(None)) == 2
