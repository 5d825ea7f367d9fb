"""The issuer source against the real issuer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs import csr, keys
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.issuer import ca
from certs.issuer.folder import open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.one_time_tokens import Grant
from certs.sources.issuer import IssuerSource
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret
from tests.fakes.cutting_relay import CuttingRelay
from tests.fakes.issuer import (
    PLANNER,
    TRUST_DOMAIN,
    ManualClock,
    audit_lines,
    generation_from,
    generation_of,
    joining,
    reader_of,
)
from tests.fakes.scripted_issuer import ScriptedIssuer


async def no_token() -> Secret:
    raise SecretNotFound("the token file is gone")


async def long_ended(server: IssuerServer, clock: ManualClock, folder: Path) -> Generation:
    """An identity that ended so long ago that its key doesn't renew it any more. It was issued
    without TLS, which goes by the real time.
    """
    token = (await server.make_token(Grant(workload="planner"))).text
    key, then = keys.generate(), clock.now() - timedelta(days=8)

    def issue() -> Generation:
        service = open_issuer(folder).service
        issued = service.join(token, csr.build(key), peer="", now=then)
        service.close()
        return generation_from(issued, key)

    return await asyncio.to_thread(issue)


async def _cut_after_trust(relay: CuttingRelay, source: IssuerSource) -> None:
    """Lose the reply to the join, not that to the bundle request before it."""
    fetch = source._known_authorities

    async def fetch_then_cut(current: Generation | None) -> Any:
        found = await fetch(current)
        relay.cut = True
        return found

    source._known_authorities = fetch_then_cut  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="join"):
        await source.obtain(None)
    del source._known_authorities
    relay.cut = False


async def test_the_first_identity_comes_by_the_token(
    server: IssuerServer, clock: ManualClock
) -> None:
    identity = await (await joining(server, clock)).obtain(None)
    assert identity.spiffe_id == PLANNER
    assert identity.not_after == clock.now() + timedelta(hours=1)


async def test_a_renewal_has_a_new_key_and_needs_no_token(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    source = await joining(server, clock)
    identity = await source.obtain(None)
    later = await joining(server, clock, read_token=no_token)
    renewed = await later.obtain(generation_of(identity))
    assert renewed.spiffe_id == PLANNER
    assert renewed.key_pem != identity.key_pem
    assert [line["action"] for line in audit_lines(folder)][-2:] == ["token", "renew"]


async def test_a_chain_of_renewals_counts_up(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    source = await joining(server, clock)
    identity = await source.obtain(None)
    for _ in range(5):
        clock.pass_by(timedelta(seconds=10))
        identity = await source.obtain(generation_of(identity))
    assert [line.get("generation") for line in audit_lines(folder)] == [None, 1, 2, 3, 4, 5, 6]


async def test_a_spent_token_says_what_to_do(server: IssuerServer, clock: ManualClock) -> None:
    source = await joining(server, clock)
    await source.obtain(None)
    with pytest.raises(SourceDenied, match="join: the join token has been used") as caught:
        await source.obtain(None)
    assert "devwiz-gw issuer token" in caught.value.hint


async def test_an_expired_token_is_told(server: IssuerServer, clock: ManualClock) -> None:
    source = await joining(server, clock)
    clock.pass_by(timedelta(minutes=31))
    with pytest.raises(SourceDenied, match="join token has expired"):
        await source.obtain(None)


async def test_a_token_of_another_workload_gives_no_other_identity_back(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    """After an expiry the source must come back as who it was."""
    current = await long_ended(server, clock, folder)
    other = (await server.make_token(Grant(workload="other"))).text
    source = await joining(server, clock, read_token=reader_of(other))
    with pytest.raises(SourceDenied, match="names_refused"):
        await source.obtain(current)
    unspent = await joining(server, clock, read_token=reader_of(other))
    assert (await unspent.obtain(None)).spiffe_id.endswith("/agent/other")


async def test_agents_of_a_workload_join_with_one_token_by_names_of_their_own(
    server: IssuerServer, clock: ManualClock
) -> None:
    grant = Grant(workload="laptop", path="/laptop", uses=2, derive=True)
    token = reader_of((await server.make_token(grant)).text)
    above = f"spiffe://{TRUST_DOMAIN}/laptop"
    for agent in ("planner", "writer"):
        own_id = f"{above}/agent/{agent}"
        source = await joining(server, clock, read_token=token, spiffe_id=own_id)
        identity = await source.obtain(None)
        assert identity.spiffe_id == own_id
        again = await source.obtain(generation_of(identity))
        assert again.spiffe_id == own_id
    for foreign in ("", above, f"spiffe://{TRUST_DOMAIN}/agent/planner"):
        source = await joining(server, clock, read_token=token, spiffe_id=foreign)
        with pytest.raises(SourceDenied, match="names_refused"):
            await source.obtain(None)


async def test_an_expired_identity_is_renewed_by_its_key(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    identity = await (await joining(server, clock)).obtain(None)
    clock.pass_by(timedelta(hours=2))
    source = await joining(server, clock, read_token=no_token)
    again = await source.obtain(generation_of(identity))
    assert again.spiffe_id == PLANNER
    assert again.key_pem != identity.key_pem
    assert [line["action"] for line in audit_lines(folder)][-2:] == ["token", "renew"]


async def test_an_identity_that_expired_long_ago_joins_again(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    current = await long_ended(server, clock, folder)
    again = await (await joining(server, clock)).obtain(current)
    assert again.spiffe_id == PLANNER


async def test_an_expired_identity_without_a_token_says_so(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    current = await long_ended(server, clock, folder)
    source = await joining(server, clock, read_token=no_token)
    with pytest.raises(
        SourceDenied, match=r"certificate expired .*; join: there is no join"
    ) as caught:
        await source.obtain(current)
    assert "devwiz-gw issuer token" in caught.value.hint


async def test_the_reply_to_a_join_may_be_lost(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    relay = CuttingRelay(server.port)
    await relay.start()
    source = await joining(server, clock, url=f"https://127.0.0.1:{relay.port}")
    relay.cut = True
    with pytest.raises(SourceUnavailable, match="trust"):
        await source.obtain(None)
    relay.cut = False
    await _cut_after_trust(relay, source)
    assert (await source.obtain(None)).spiffe_id == PLANNER
    await relay.stop()
    joins = [line for line in audit_lines(folder) if line["action"] == "join"]
    assert [line["outcome"] for line in joins] == ["allow", "allow"]
    assert joins[0]["instance"] == joins[1]["instance"]


async def test_the_reply_to_a_renewal_may_be_lost_and_nobody_is_locked(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    relay = CuttingRelay(server.port)
    await relay.start()
    source = await joining(server, clock, url=f"https://127.0.0.1:{relay.port}")
    current = generation_of(await source.obtain(None))
    relay.cut = True
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="renew"):
            await source.obtain(current)
    relay.cut = False
    current = generation_of(await source.obtain(current))
    current = generation_of(await source.obtain(current))
    generations = [line.get("generation") for line in audit_lines(folder)]
    assert generations == [None, 1, 2, 2, 2, 3]
    await relay.stop()


async def test_a_copied_identity_is_denied(server: IssuerServer, clock: ManualClock) -> None:
    source = await joining(server, clock)
    copied = generation_of(await source.obtain(None))
    current = generation_of(await source.obtain(copied))
    await source.obtain(current)
    with pytest.raises(SourceDenied, match="in use in two places"):
        await (await joining(server, clock)).obtain(copied)
    with pytest.raises(SourceDenied, match="has been locked"):
        await source.obtain(current)


async def test_a_wrong_pin_sends_no_token(server: IssuerServer, clock: ManualClock) -> None:
    source = await joining(server, clock, ca_pin="sha256:" + "0" * 64)
    with pytest.raises(SourceDenied, match="has the key of ca_pin") as caught:
        await source.obtain(None)
    assert "nothing was sent" in caught.value.hint


async def test_a_workload_that_poses_as_the_issuer_never_sees_the_token(
    server: IssuerServer, clock: ManualClock
) -> None:
    """It has a good certificate of the pinned authority, for TLS servers even."""
    genuine = server._service.authority
    impostor = ScriptedIssuer(genuine, clock, f"spiffe://{TRUST_DOMAIN}/agent/impostor")
    impostor.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(genuine.root)))
    await impostor.start()
    source = await joining(server, clock, url=impostor.url)
    with pytest.raises(SourceDenied, match="agent/impostor, not"):
        await source.obtain(None)
    assert impostor.paths == ["/v1/bundle.pem"]
    await impostor.stop()


async def test_whom_it_trusts_is_told_without_a_token(
    server: IssuerServer, clock: ManualClock
) -> None:
    source = await joining(server, clock, read_token=no_token)
    identity = await (await joining(server, clock)).obtain(None)
    assert await source.authorities() == identity.bundle_pem
    assert source.clock_skew_s is not None
    with pytest.raises(SourceDenied, match="has the key of ca_pin"):
        await (await joining(server, clock, ca_pin="sha256:" + "ab" * 32)).authorities()
    await server.stop()
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        await source.authorities()


async def test_an_issuer_that_is_down_is_unavailable(
    server: IssuerServer, clock: ManualClock
) -> None:
    source = await joining(server, clock)
    current = generation_of(await source.obtain(None))
    await server.stop()
    with pytest.raises(SourceUnavailable, match=r"renew: the issuer .* can't be reached"):
        await source.obtain(current)
    with pytest.raises(SourceUnavailable, match="trust: the issuer"):
        await source.obtain(None)


async def test_a_reply_rejected_for_a_wrong_clock_is_asked_for_again(
    server: IssuerServer, clock: ManualClock, folder: Path
) -> None:
    """The one-time token isn't lost: the same key asks again once the clock is right."""
    slow = ManualClock(clock.now() - timedelta(minutes=10))
    source = await joining(server, slow)
    with pytest.raises(ReplyRejected, match="valid only from"):
        await source.obtain(None)
    slow.time = clock.now()
    assert (await source.obtain(None)).spiffe_id == PLANNER


async def test_errors_never_hold_the_token(server: IssuerServer, clock: ManualClock) -> None:
    token = (await server.make_token(Grant(workload="planner"))).text
    source = await joining(server, clock, read_token=reader_of(token))
    await source.obtain(None)
    with pytest.raises(SourceDenied) as caught:
        await source.obtain(None)
    secret = token.reveal().rsplit("_", 1)[1]
    error: BaseException | None = caught.value
    while error is not None:
        assert secret not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "https://127.0.0.1/path", "https://u:p@h", "127.0.0.1:8440", ""]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CertsError, match="issuer url"):
        IssuerSource(url=url, ca_pin="sha256:" + "0" * 64, read_token=no_token)


@pytest.mark.parametrize("pin", ["", "sha256:", "0" * 64, "sha256:" + "0" * 63, "sha1:" + "0" * 64])
def test_a_pin_that_is_none_is_refused(pin: str) -> None:
    with pytest.raises(CertsError, match="ca_pin"):
        IssuerSource(url="https://127.0.0.1:1", ca_pin=pin, read_token=no_token)


async def test_a_lost_bundle_of_the_current_identity_is_told(
    server: IssuerServer, clock: ManualClock
) -> None:
    source = await joining(server, clock)
    current = replace(generation_of(await source.obtain(None)), bundle_pem=b"")
    with pytest.raises(ReplyRejected, match="renew: the trust bundle"):
        await source.obtain(current)
