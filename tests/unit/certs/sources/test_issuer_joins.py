"""The ways to join, and the ladder that leads down to them, against the real issuer."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs import keys
from certs.errors import IdentityLocked, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.issuer import ca
from certs.issuer.folder import open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms, Provider, TokenTerms
from certs.issuer.one_time_tokens import Grant
from certs.sources import issuer_client
from certs.sources.device_key import STATE_SUFFIX, ReadOnlyKey, StoredKey
from certs.sources.issuer import IssuerSource
from certs.sources.issuer_joins import BoundKey, IdentityToken
from identity.errors import SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes.bound_key import Holder, public_pem
from tests.fakes.cutting_relay import CuttingRelay
from tests.fakes.issuer import (
    PLANNER,
    TRUST_DOMAIN,
    ManualClock,
    audit_lines,
    generation_from,
    generation_of,
    reader_of,
)
from tests.fakes.oidc_provider import OidcProvider
from tests.fakes.scripted_issuer import ScriptedIssuer

KEY = SecretRef("acme", "device-key")
STATE = SecretRef("acme", f"device-key{STATE_SUFFIX}")


class LockedAtTimes(MemoryStore):
    """A store whose writes fail while it is locked."""

    def __init__(self) -> None:
        super().__init__()
        self.is_locked = False

    async def set(self, ref: SecretRef, value: Secret) -> None:
        if self.is_locked:
            raise StoreUnavailable("the keychain is locked", hint="unlock it")
        await super().set(ref, value)

    def copy(self) -> LockedAtTimes:
        """What a thief of the disk has."""
        copied = LockedAtTimes()
        copied._values = dict(self._values)
        return copied


@pytest.fixture
def store() -> LockedAtTimes:
    return LockedAtTimes()


async def nothing() -> Secret:
    raise SecretNotFound("it is gone")


def source_of(server: IssuerServer, clock: ManualClock, *ways: Any, **options: Any) -> IssuerSource:
    """A gateway that has just been started."""
    values: dict[str, Any] = {"url": server.url, "ca_pin": server.ca_pin, "clock": clock}
    return IssuerSource(**(values | options), ways=ways)


async def registration(server: IssuerServer, **terms: Any) -> Secret:
    wish = RuleWish(name="laptop", workload="planner", terms=BoundKeyTerms(**terms))
    secret = (await server.add_rule(wish)).registration
    assert secret is not None
    return secret


def bound(store: MemoryStore, secret: Secret | None = None) -> BoundKey:
    read = None if secret is None else reader_of(secret)
    return BoundKey("laptop", StoredKey(store, KEY), read)


async def oidc(server: IssuerServer, idp: OidcProvider, clock: ManualClock) -> IdentityToken:
    terms = TokenTerms(
        method="oidc",
        provider=Provider(issuer=idp.issuer),
        audiences=("gw",),
        alternatives=((ClaimRule(path="sub", equals=("agent:planner",)),),),
    )
    await server.add_rule(RuleWish(name="ci", workload="planner", terms=terms))

    async def read() -> Secret:
        now = int(clock.now().timestamp())
        return Secret(idp.token(aud="gw", sub="agent:planner", iat=now, exp=now + 60))

    return IdentityToken("ci", read)


async def test_a_restarted_gateway_rejoins_and_spends_nothing(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes, folder: Path
) -> None:
    secret = await registration(server)
    for _ in range(4):
        identity = await source_of(server, clock, bound(store, secret)).obtain(None)
        assert identity.spiffe_id == PLANNER
        clock.pass_by(timedelta(hours=2))
    joins = [line for line in audit_lines(folder) if line["action"] == "join"]
    assert [line["outcome"] for line in joins] == ["allow"] * 4
    assert len({line["instance"] for line in joins}) == 1


async def test_an_identity_that_ended_long_ago_comes_back_by_its_bound_key(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes, folder: Path
) -> None:
    secret = await registration(server)
    key, then = keys.generate(), clock.now() - timedelta(days=90)

    def join() -> tuple[Holder, Generation]:
        """Without TLS, which goes by the real time."""
        opened = open_issuer(folder)
        holder = Holder(opened.joins, "laptop")
        issued = holder.join(then, leaf_key=key, registration=secret)
        opened.service.close()
        return holder, generation_from(issued, key)

    holder, current = await asyncio.to_thread(join)
    await store.set(KEY, Secret(keys.to_pem(holder.key).decode()))
    await store.set(STATE, Secret(holder.state))
    again = await source_of(server, clock, bound(store)).obtain(current)
    assert again.spiffe_id == PLANNER
    tried = [(line["action"], line["outcome"]) for line in audit_lines(folder)][-2:]
    assert tried == [("renew", "deny"), ("join", "allow")]


async def test_the_registration_secret_may_be_gone_afterwards(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    await source_of(server, clock, bound(store, await registration(server))).obtain(None)
    way = BoundKey("laptop", StoredKey(store, KEY), nothing)
    assert (await source_of(server, clock, way).obtain(None)).serial


async def test_a_key_without_a_registration_is_told(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    await registration(server)
    with pytest.raises(SourceDenied, match="there is no bound key") as caught:
        await source_of(server, clock, bound(store)).obtain(None)
    assert "device-key" in caught.value.hint
    way = BoundKey("laptop", StoredKey(store, KEY), nothing)
    with pytest.raises(SourceDenied, match="there is no registration secret"):
        await source_of(server, clock, way).obtain(None)
    # It was made and kept, and waits for somebody to bind it.
    with pytest.raises(SourceDenied, match="not bound to the join rule"):
        await source_of(server, clock, way).obtain(None)


async def test_a_key_that_was_registered_beforehand_needs_no_secret(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    key = keys.generate()
    await store.set(KEY, Secret(keys.to_pem(key).decode()))
    await server.add_rule(
        RuleWish(
            name="laptop",
            workload="planner",
            terms=BoundKeyTerms(),
            public_key_pem=public_pem(key),
        )
    )
    for _ in range(2):
        assert (await source_of(server, clock, bound(store)).obtain(None)).serial


async def test_a_copied_disk_is_found_out_and_told(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    await source_of(server, clock, bound(store, await registration(server))).obtain(None)
    thief = store.copy()
    for _ in range(2):
        await source_of(server, clock, bound(thief)).obtain(None)
    with pytest.raises(SourceDenied, match="in use in two places") as caught:
        await source_of(server, clock, bound(store)).obtain(None)
    assert "new-registration" in caught.value.hint
    with pytest.raises(SourceDenied, match="has been locked"):
        await source_of(server, clock, bound(thief)).obtain(None)


async def test_no_identity_is_used_before_its_join_state_is_kept(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes, folder: Path
) -> None:
    source = source_of(server, clock, bound(store, await registration(server)))
    await source.obtain(None)
    state = (await store.get(STATE)).reveal()
    again = source_of(server, clock, bound(store))
    store.is_locked = True
    with pytest.raises(SourceUnavailable, match="join state can't be kept: the keychain is locked"):
        await again.obtain(None)
    assert (await store.get(STATE)).reveal() == state
    store.is_locked = False
    # The same key asks again: to the issuer it is one join.
    await again.obtain(None)
    assert audit_lines(folder)[-1]["reason"] == "repeated"
    await source_of(server, clock, bound(store)).obtain(None)


async def test_the_reply_to_a_rejoin_may_be_lost(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    secret = await registration(server)
    relay = CuttingRelay(server.port)
    await relay.start()
    url = f"https://127.0.0.1:{relay.port}"
    relay.cut = True
    for _ in range(2):
        # Of the connections for bundle, challenge and join the last loses its answer.
        relay.spared = 2
        source = source_of(server, clock, bound(store, secret), url=url)
        with pytest.raises(SourceUnavailable):
            await source.obtain(None)
    await source_of(server, clock, bound(store, secret)).obtain(None)
    await source_of(server, clock, bound(store, secret)).obtain(None)
    await relay.stop()


async def test_a_read_only_key_is_for_insecure_rules(
    server: IssuerServer, clock: ManualClock
) -> None:
    key = keys.generate()
    wish = RuleWish(
        name="laptop", workload="planner", terms=BoundKeyTerms(), public_key_pem=public_pem(key)
    )
    await server.add_rule(wish)
    way = BoundKey("laptop", ReadOnlyKey(reader_of(Secret(keys.to_pem(key).decode()))))
    with pytest.raises(SourceDenied, match="keeps no join state") as caught:
        await source_of(server, clock, way).obtain(None)
    assert "insecure" in caught.value.hint


async def test_a_key_that_is_none_is_told_without_its_text(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    await store.set(KEY, Secret("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"))
    with pytest.raises(SourceDenied, match="the bound key") as caught:
        await source_of(server, clock, bound(store)).obtain(None)
    assert "c2VjcmV0" not in str(caught.value) + caught.value.hint


async def test_ways_are_taken_in_their_order(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes, folder: Path
) -> None:
    token = (await server.make_token(Grant(workload="planner"))).text
    with OidcProvider() as idp:
        by_token = await oidc(server, idp, clock)
        source = source_of(server, clock, bound(store), by_token, read_token=reader_of(token))
        await source.obtain(None)
    assert audit_lines(folder)[-1]["evidence"]["method"] == "oidc"


async def test_when_all_ways_are_refused_each_is_told(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    with OidcProvider() as idp:
        way = await oidc(server, idp, clock)
        way = IdentityToken("nobody", way._read)
        source = source_of(server, clock, bound(store), way, read_token=nothing)
        with pytest.raises(SourceDenied) as caught:
            await source.obtain(None)
    text = str(caught.value)
    assert "there is no bound key" in text
    assert "no join rule of that name (join_rule_unknown)" in text
    assert "there is no join token" in text
    assert "\n" not in text
    assert caught.value.hint


async def test_what_cant_be_read_now_is_worth_another_try(
    server: IssuerServer, clock: ManualClock, store: LockedAtTimes
) -> None:
    async def locked() -> Secret:
        raise StoreUnavailable("the keychain is locked", hint="unlock it")

    way = IdentityToken("ci", locked)
    with pytest.raises(SourceUnavailable, match="keychain is locked"):
        await source_of(server, clock, way, bound(store)).obtain(None)


async def test_a_refused_renewal_falls_back_to_what_costs_nothing(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    """The identity token proves us again; the one-time token, which cost somebody something, is
    left alone.
    """
    with OidcProvider() as idp:
        way = await oidc(server, idp, clock)
        source = source_of(server, clock, way, read_token=nothing)
        identity = generation_of(await source.obtain(None))
        await asyncio.to_thread(_forget_certificates, folder)
        with pytest.raises(SourceDenied, match="client_certificate_unknown"):
            await source_of(server, clock, read_token=nothing).obtain(identity)
        again = await source.obtain(identity)
    assert again.spiffe_id == PLANNER
    last = audit_lines(folder)[-2:]
    assert [(line["action"], line["outcome"]) for line in last] == [
        ("renew", "deny"),
        ("join", "allow"),
    ]


async def test_a_lock_is_not_got_round(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    with OidcProvider() as idp:
        source = source_of(server, clock, await oidc(server, idp, clock))
        identity = generation_of(await source.obtain(None))
        copy = source_of(server, clock)
        copied = generation_of(await copy.obtain(identity))
        held = generation_of(await source.obtain(identity))
        with pytest.raises(IdentityLocked, match="generation_mismatch"):
            await copy.obtain(copied)
        with pytest.raises(IdentityLocked, match="instance_locked"):
            await source.obtain(held)
    assert audit_lines(folder)[-1]["action"] == "renew"


def _forget_certificates(folder: Path) -> None:
    """As an issuer does that was brought back from an old backup."""
    with closing(sqlite3.connect(folder / "state.db")) as db, db:
        db.execute("DELETE FROM certificates")


async def test_a_provider_that_is_away_is_worth_another_try(
    server: IssuerServer, clock: ManualClock
) -> None:
    with OidcProvider() as idp:
        way = await oidc(server, idp, clock)
        idp.answers["/jwks"] = 503
        source = source_of(server, clock, way)
        with pytest.raises(SourceUnavailable, match="provider_unavailable") as caught:
            await source.obtain(None)
        assert caught.value.retry_after_s


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "other"}, r"for another audience .* \(aud\)"),
        ({"iss": "https://evil.example"}, r"of another provider .* \(iss\)"),
        ({"exp": 1}, r"has expired \(exp\)"),
        ({"sub": "agent:other"}, "claims don't meet the join rule"),
    ],
)
async def test_a_wrong_claim_is_named_with_its_remedy(
    server: IssuerServer, clock: ManualClock, claims: dict[str, Any], said: str
) -> None:
    with OidcProvider() as idp:
        await oidc(server, idp, clock)
        now = int(clock.now().timestamp())
        good = {"aud": "gw", "sub": "agent:planner", "iat": now, "exp": now + 60}
        token = idp.token(**good | claims)
        with pytest.raises(SourceDenied, match=said) as caught:
            await source_of(server, clock, IdentityToken("ci", reader_of(Secret(token)))).obtain(
                None
            )
    assert token not in str(caught.value) + caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b'{"challenge": 7}',
        b'{"challenge": ""}',
        b'{"challenge": "%s"}',
        b'{"challenge": "\\ud800"}',
    ],
)
async def test_a_challenge_that_is_none_is_not_answered(
    clock: ManualClock, store: LockedAtTimes, answer: bytes
) -> None:
    made = ca.make(trust_domain=TRUST_DOMAIN, now=clock.now(), random=os.urandom)
    issuer = ScriptedIssuer(made.authority, clock)
    issuer.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(issuer.authority.root)))
    body = answer.replace(b"%s", b"x" * 5000)
    issuer.always("/v1/challenge", lambda: web.Response(body=body))
    await issuer.start()
    await store.set(KEY, Secret(keys.to_pem(keys.generate()).decode()))
    source = IssuerSource(
        url=issuer.url, ca_pin=issuer.authority.pin, ways=(bound(store),), clock=clock
    )
    with pytest.raises(ReplyRejected, match="no challenge"):
        await source.obtain(None)
    assert issuer.paths == ["/v1/bundle.pem", "/v1/challenge"]
    await issuer.stop()


@pytest.mark.parametrize("state", [7, None, "x" * 5_000, "\ud800", "é"])
def test_a_join_state_that_no_issuer_signs_is_not_kept(state: Any) -> None:
    """Half a character can't be written to any store: it would fail there, as a defect."""
    reply = {"chain_pem": "x", "bundle_pem": "x", "join_state": state}
    with pytest.raises(ReplyRejected, match="join_state"):
        issuer_client._reply("join", json.dumps(reply).encode())
