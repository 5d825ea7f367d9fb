"""Providers' keys: fetched over real HTTP, kept, fetched again when they rotate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certs.issuer.joins.fetch import FetchFailed, fetch
from certs.issuer.joins.key_set import MAX_BYTES
from certs.issuer.joins.providers import FRESH_S, MIN_INTERVAL_S, RETRY_S, STALE_S, Providers
from certs.issuer.joins.rules import Provider
from certs.issuer.refusal import Code, Refused
from tests.fakes.oidc_provider import OidcProvider


class Monotonic:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def idp() -> Iterator[OidcProvider]:
    with OidcProvider() as idp:
        yield idp


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def providers(clock: Monotonic) -> Providers:
    return Providers(monotonic=clock)


def paths(idp: OidcProvider) -> list[str]:
    return [path for path, _ in idp.asked]


async def unavailable(providers: Providers, provider: Provider, key_id: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await providers.keys(provider, key_id)
    assert caught.value.code is Code.PROVIDER_UNAVAILABLE
    assert caught.value.retry_after_s is not None
    return caught.value


async def test_keys_are_discovered_once(idp: OidcProvider, providers: Providers) -> None:
    provider = Provider(issuer=idp.issuer)
    for _ in range(3):
        assert "idp-1" in (await providers.keys(provider, "idp-1")).keys
    assert paths(idp) == ["/.well-known/openid-configuration", "/jwks"]


async def test_many_at_once_ask_once(idp: OidcProvider, providers: Providers) -> None:
    provider = Provider(issuer=idp.issuer)
    await asyncio.gather(*(providers.keys(provider, "idp-1") for _ in range(20)))
    assert paths(idp).count("/jwks") == 1


async def test_a_key_set_url_needs_no_discovery(idp: OidcProvider, providers: Providers) -> None:
    provider = Provider(issuer="https://elsewhere.example", key_set_url=f"{idp.issuer}/jwks")
    await providers.keys(provider, "idp-1")
    assert paths(idp) == ["/jwks"]


async def test_an_uploaded_set_is_never_fetched(idp: OidcProvider, providers: Providers) -> None:
    provider = Provider(issuer=idp.issuer, key_set=json.dumps(idp.jwks))
    assert "idp-1" in (await providers.keys(provider, "idp-1")).keys
    assert not idp.asked


async def test_a_rotated_key_is_found_at_its_first_token(
    idp: OidcProvider, providers: Providers, clock: Monotonic
) -> None:
    provider = Provider(issuer=idp.issuer)
    await providers.keys(provider, "idp-1")
    idp.rotate("idp-2")
    clock.seconds += MIN_INTERVAL_S
    assert set((await providers.keys(provider, "idp-2")).keys) == {"idp-2"}


async def test_unknown_keys_make_nobody_ask_all_the_time(
    idp: OidcProvider, providers: Providers, clock: Monotonic
) -> None:
    provider = Provider(issuer=idp.issuer)
    await providers.keys(provider, "idp-1")
    for number in range(20):
        refused = await unavailable(providers, provider, f"made-up-{number}")
        assert refused.retry_after_s == MIN_INTERVAL_S
    assert paths(idp).count("/jwks") == 1
    clock.seconds += MIN_INTERVAL_S
    assert "made-up" not in (await providers.keys(provider, "made-up")).keys
    # Those who have a good key are not held up by it.
    assert "idp-1" in (await providers.keys(provider, "idp-1")).keys


async def test_a_key_that_was_withdrawn_is_believed_for_an_hour_at_most(
    idp: OidcProvider, providers: Providers, clock: Monotonic
) -> None:
    provider = Provider(issuer=idp.issuer)
    await providers.keys(provider, "idp-1")
    idp.rotate("idp-2")
    clock.seconds += FRESH_S
    assert "idp-1" not in (await providers.keys(provider, "idp-1")).keys


async def test_a_provider_that_is_away_is_lived_with_for_a_day(
    idp: OidcProvider, providers: Providers, clock: Monotonic
) -> None:
    provider = Provider(issuer=idp.issuer)
    await providers.keys(provider, "idp-1")
    idp.answers["/jwks"] = 503
    clock.seconds += FRESH_S
    assert "idp-1" in (await providers.keys(provider, "idp-1")).keys
    clock.seconds += STALE_S
    refused = await unavailable(providers, provider, "idp-1")
    assert refused.retry_after_s == RETRY_S
    del idp.answers["/jwks"]
    clock.seconds += RETRY_S
    assert "idp-1" in (await providers.keys(provider, "idp-1")).keys


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", 302),
        ("/.well-known/openid-configuration", b'{"issuer": "https://evil.example"}'),
        ("/.well-known/openid-configuration", b"<html>"),
        ("/jwks", b"[]"),
        ("/jwks", b'{"keys": {}}'),
        ("/jwks", b'{"keys": [], "keys": []}'),
        ("/jwks", b'{"keys": [' + b"1," * 100 + b"1]}"),
        ("/jwks", b" " * (MAX_BYTES + 1)),
        ("/jwks", 404),
    ],
)
async def test_an_answer_that_is_none_is_no_key_set(
    idp: OidcProvider, providers: Providers, path: str, answer: int | bytes
) -> None:
    idp.answers[path] = answer
    await unavailable(providers, Provider(issuer=idp.issuer), "idp-1")


@pytest.mark.parametrize(
    "address",
    ["http://192.0.2.1/jwks", "file:///etc/passwd", "https://user:x@127.0.0.1/", "", 7, None],
)
async def test_a_discovery_document_leads_nowhere_else(
    idp: OidcProvider, providers: Providers, address: object
) -> None:
    document = {"issuer": idp.issuer, "jwks_uri": address}
    idp.answers["/.well-known/openid-configuration"] = json.dumps(document).encode()
    await unavailable(providers, Provider(issuer=idp.issuer), "idp-1")
    assert paths(idp) == ["/.well-known/openid-configuration"]


async def test_another_host_is_asked_only_where_the_rule_allows_it(
    idp: OidcProvider, providers: Providers, clock: Monotonic
) -> None:
    with OidcProvider() as other:
        document = {"issuer": idp.issuer, "jwks_uri": f"{other.issuer}/jwks"}
        idp.answers["/.well-known/openid-configuration"] = json.dumps(document).encode()
        provider = Provider(issuer=idp.issuer)
        await unavailable(providers, provider, "idp-1")
        assert not other.asked
        allowed = replace(provider, key_hosts=(other.issuer.removeprefix("http://"),))
        assert (await providers.keys(allowed, "idp-1")).keys
        assert paths(other) == ["/jwks"]


async def test_a_clusters_own_token_is_shown_and_read_each_time(
    idp: OidcProvider, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    provider = Provider(issuer=idp.issuer, bearer_file=str(file))
    for text in ("first", "second"):
        await asyncio.to_thread(file.write_text, f"{text}\n")
        await fetch(f"{idp.issuer}/jwks", provider)
    assert [shown for _, shown in idp.asked] == ["Bearer first", "Bearer second"]
    with OidcProvider() as other:
        await fetch(f"{other.issuer}/jwks", provider)
        assert other.asked == [("/jwks", "")]
    await asyncio.to_thread(file.unlink)
    with pytest.raises(FetchFailed):
        await fetch(f"{idp.issuer}/jwks", provider)


async def test_nobody_there_is_told(idp: OidcProvider) -> None:
    with pytest.raises(FetchFailed, match="can't be fetched"):
        await fetch("http://127.0.0.1:1/jwks", Provider(issuer=idp.issuer))
