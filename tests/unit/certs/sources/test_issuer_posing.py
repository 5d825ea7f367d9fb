"""The issuer source against servers that pose as the issuer, or answer oddly."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from certs import csr, keys
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.issuer import ca
from certs.issuer.ca import Authority
from certs.issuer.http import IssuerServer
from certs.profiles import LeafNames, Terms, serial_from
from certs.sources.issuer import IssuerSource
from identity.errors import SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret
from tests.fakes.issuer import PLANNER, TRUST_DOMAIN, ManualClock, generation_of, joining, reader_of
from tests.fakes.scripted_issuer import ScriptedIssuer

TOKEN = Secret(f"dgwj_{'0' * 16}_{'a' * 64}")


@pytest.fixture
async def scripted(clock: ManualClock) -> AsyncIterator[ScriptedIssuer]:
    issuer = ScriptedIssuer(authority(clock), clock)
    issuer.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(issuer.authority.root)))
    await issuer.start()
    yield issuer
    await issuer.stop()


def authority(clock: ManualClock) -> Authority:
    return ca.make(trust_domain=TRUST_DOMAIN, now=clock.now(), random=os.urandom).authority


def source_of(issuer: ScriptedIssuer, clock: ManualClock, **options: Any) -> IssuerSource:
    values: dict[str, Any] = {
        "url": issuer.url,
        "ca_pin": issuer.authority.pin,
        "read_token": reader_of(TOKEN),
        "clock": clock,
    }
    return IssuerSource(**(values | options))


async def test_somebody_between_with_the_real_bundle_never_sees_the_token(
    server: IssuerServer, clock: ManualClock
) -> None:
    root = server._service.authority.root
    between = ScriptedIssuer(authority(clock), clock)
    between.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(root)))
    await between.start()
    source = await joining(server, clock, url=between.url)
    with pytest.raises(SourceDenied, match=r"join: the server at .* is not the issuer"):
        await source.obtain(None)
    assert between.paths == ["/v1/bundle.pem"]
    assert between.received == [b""]
    await between.stop()


async def test_a_forged_root_around_the_pinned_key_is_refused(
    scripted: ScriptedIssuer, clock: ManualClock
) -> None:
    """The pin names the key; what else the certificate says needs that key's signature."""
    from cryptography.hazmat.primitives import hashes

    from certs import profiles

    genuine, forger = scripted.authority.root, keys.generate()
    public_key = genuine.public_key()
    assert isinstance(public_key, keys.PublicKey)
    forged = profiles.root_ca(
        public_key,
        trust_domain="evil.example",
        terms=Terms(serial=3, now=clock.now(), life=timedelta(days=1)),
    ).sign(forger, hashes.SHA256())
    scripted.always("/v1/bundle.pem", lambda: web.Response(body=ca.to_pem(forged)))
    with pytest.raises(ReplyRejected, match="not signed by its own key"):
        await source_of(scripted, clock).obtain(None)


async def test_renewal_shows_nothing_to_another_authoritys_server(
    server: IssuerServer, clock: ManualClock
) -> None:
    current = generation_of(await (await joining(server, clock)).obtain(None))
    stranger = ScriptedIssuer(authority(clock), clock)
    await stranger.start()
    source = await joining(server, clock, url=stranger.url)
    with pytest.raises(SourceDenied, match=r"renew: the server at .* is not the issuer"):
        await source.obtain(current)
    assert stranger.paths == []
    await stranger.stop()


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (503, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": "99999999"}, 3600.0),
        (500, {}, None),
        (502, {"Retry-After": "soon"}, None),
        (503, {"Retry-After": "-5"}, None),
        (503, {"Retry-After": "nan"}, None),
    ],
)
async def test_a_busy_issuer_is_asked_again_when_it_says(
    scripted: ScriptedIssuer,
    clock: ManualClock,
    status: int,
    headers: dict[str, str],
    expected: float | None,
) -> None:
    scripted.always("/v1/join", lambda: web.Response(status=status, headers=headers))
    with pytest.raises(SourceUnavailable, match="join: the issuer") as caught:
        await source_of(scripted, clock).obtain(None)
    assert caught.value.retry_after_s == expected


async def test_an_issuer_that_hangs_is_given_up(
    scripted: ScriptedIssuer, clock: ManualClock
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    scripted.answers["/v1/join"] = hang
    with pytest.raises(SourceUnavailable, match=r"join: .* didn't answer in 0\.2 s"):
        await source_of(scripted, clock, step_timeout_s=0.2).obtain(None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"chain_pem": "x"}',
        b'{"chain_pem": 1, "bundle_pem": 2}',
        b'{"chain_pem": "a", "chain_pem": "b", "bundle_pem": "c"}',
        b"[" * 100_000,
        b"x" * 200_000,
        json.dumps({"chain_pem": "no PEM", "bundle_pem": "no PEM"}).encode(),
        json.dumps({"chain_pem": "\u00e9", "bundle_pem": ""}).encode(),
    ],
    ids=["empty", "html", "array", "missing", "kind", "twice", "deep", "huge", "no pem", "text"],
)
async def test_an_answer_that_is_none_is_rejected(
    scripted: ScriptedIssuer, clock: ManualClock, body: bytes
) -> None:
    scripted.always("/v1/join", lambda: web.Response(body=body))
    with pytest.raises(ReplyRejected, match="join: "):
        await source_of(scripted, clock).obtain(None)


@pytest.mark.parametrize("body", [b"", b"no PEM", b"x" * 200_000], ids=["empty", "text", "huge"])
async def test_a_bundle_that_is_none_is_not_trusted(
    scripted: ScriptedIssuer, clock: ManualClock, body: bytes
) -> None:
    scripted.always("/v1/bundle.pem", lambda: web.Response(body=body))
    with pytest.raises((ReplyRejected, SourceDenied), match="trust: "):
        await source_of(scripted, clock).obtain(None)
    assert scripted.paths == ["/v1/bundle.pem"]


async def test_a_redirect_is_not_followed(scripted: ScriptedIssuer, clock: ManualClock) -> None:
    scripted.always(
        "/v1/join", lambda: web.Response(status=307, headers={"Location": "/v1/elsewhere"})
    )
    with pytest.raises(ReplyRejected, match="status 307"):
        await source_of(scripted, clock).obtain(None)
    assert "/v1/elsewhere" not in scripted.paths


@pytest.mark.parametrize("what", ["another key", "another id", "another authority", "ten years"])
async def test_a_certificate_that_was_not_asked_for_is_rejected(
    scripted: ScriptedIssuer, clock: ManualClock, what: str
) -> None:
    signer = scripted.authority

    async def answer(request: web.Request) -> web.StreamResponse:
        wanted = csr.parse((await request.json())["csr_pem"].encode()).public_key
        by = authority(clock) if what == "another authority" else signer
        leaf = by.sign_workload(
            keys.generate().public_key() if what == "another key" else wanted,
            names=LeafNames(
                spiffe_id="spiffe://other.example/a" if what == "another id" else PLANNER
            ),
            terms=Terms(
                serial=serial_from(os.urandom(20)),
                now=clock.now(),
                life=timedelta(days=1000) if what == "ten years" else timedelta(hours=1),
            ),
        )
        return web.json_response(
            {
                "chain_pem": by.chain_pem(leaf).decode(),
                "bundle_pem": ca.to_pem(signer.root).decode(),
            }
        )

    scripted.answers["/v1/join"] = answer
    with pytest.raises(ReplyRejected, match="join: "):
        await source_of(scripted, clock).obtain(None)


async def test_an_unknown_refusal_is_passed_on_by_its_code_alone(
    scripted: ScriptedIssuer, clock: ManualClock
) -> None:
    body = json.dumps({"code": "new_code", "detail": "\x1b[31mcall 555-0100\x1b[0m"}).encode()
    scripted.always("/v1/join", lambda: web.Response(status=403, body=body))
    with pytest.raises(SourceDenied, match="new_code") as caught:
        await source_of(scripted, clock).obtain(None)
    assert "call 555" not in f"{caught.value} {caught.value.hint}"


async def test_a_key_that_is_certified_already_is_replaced(
    scripted: ScriptedIssuer, clock: ManualClock
) -> None:
    body = json.dumps({"code": "key_reused"}).encode()
    scripted.always("/v1/join", lambda: web.Response(status=409, body=body))
    source = source_of(scripted, clock)
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="key_reused"):
            await source.obtain(None)
    requests = [json.loads(body)["csr_pem"] for body in scripted.received if body]
    first, second = (keys.spki_pin(csr.parse(pem.encode()).public_key) for pem in requests)
    assert first != second


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SecretNotFound("no secret acme/join"), SourceDenied),
        (FileNotFoundError(2, "No such file or directory", "join-token"), SourceDenied),
        (StoreUnavailable("the keychain is locked"), SourceUnavailable),
    ],
    ids=["secret", "file", "store"],
)
async def test_a_token_that_cant_be_read_is_told(
    scripted: ScriptedIssuer, clock: ManualClock, error: Exception, expected: type[CertsError]
) -> None:
    async def failing() -> Secret:
        raise error

    with pytest.raises(expected, match=r"join: .*join token"):
        await source_of(scripted, clock, read_token=failing).obtain(None)
    assert scripted.paths == []


async def test_a_token_that_takes_too_long_is_given_up(
    scripted: ScriptedIssuer, clock: ManualClock
) -> None:
    async def hanging() -> Secret:
        await asyncio.sleep(60)
        return TOKEN

    source = source_of(scripted, clock, read_token=hanging, step_timeout_s=0.05)
    with pytest.raises(SourceUnavailable, match="can't be read in time"):
        await source.obtain(None)


async def test_the_source_never_pushes(scripted: ScriptedIssuer, clock: ManualClock) -> None:
    source = source_of(scripted, clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await source.changed()
    await source.close()
