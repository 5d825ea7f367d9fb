from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import Secret
from identity.token_sources.call import Caller
from identity.token_sources.oauth import Client, ClientCredentials, ReadSecret, TokenExchange, Wish
from tests.fakes.token_endpoint import CLIENT_ID, CLIENT_SECRET, TYPE, TokenEndpoint

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as made:
        yield made


def reading(text: str) -> ReadSecret:
    async def read() -> Secret:
        return Secret(text)

    return read


def client(secret: str = CLIENT_SECRET, **more: Any) -> Client:
    return Client(id=CLIENT_ID, read_secret=reading(secret), **more)


def credentials(server: TokenEndpoint, who: Client | None = None) -> ClientCredentials:
    caller = Caller(server.url + "/token", what="the token endpoint")
    wish = Wish(scope="a b", audience="https://api", resource="urn:x")
    return ClientCredentials(caller, who or client(), wish, now=lambda: NOW)


def exchange(server: TokenEndpoint, requested: str = "", subject: str = "subject") -> TokenExchange:
    return TokenExchange(
        Caller(server.url + "/token", what="the token endpoint"),
        client(method="post"),
        Wish(audience="https://api"),
        read_subject=reading(subject),
        subject_type=TYPE + "jwt",
        requested_type=requested,
        now=lambda: NOW,
    )


@pytest.mark.parametrize("method", ["basic", "post"])
async def test_a_client_gets_a_token_with_its_end(server: TokenEndpoint, method: Any) -> None:
    token = await credentials(server, client(method=method)).fetch()
    assert token.value.reveal() == "issued-1"
    assert token.expires_at == NOW + timedelta(hours=1)
    form = server.requests[0].form
    assert (form["scope"], form["audience"], form["resource"]) == ("a b", "https://api", "urn:x")


async def test_a_token_is_exchanged(server: TokenEndpoint) -> None:
    token = await exchange(server, TYPE + "access_token").fetch()
    assert token.value.reveal() == "issued-1"
    assert server.requests[0].form["subject_token"] == "subject"


async def test_another_type_than_was_asked_for_is_refused(server: TokenEndpoint) -> None:
    server.told["issued_token_type"] = TYPE + "refresh_token"
    with pytest.raises(TokenDenied, match="another type"):
        await exchange(server, TYPE + "access_token").fetch()
    server.told["issued_token_type"] = None
    with pytest.raises(TokenDenied, match="another type"):
        await exchange(server).fetch()


async def test_a_refusal_says_why_and_shows_no_secret(server: TokenEndpoint) -> None:
    with pytest.raises(TokenDenied, match="invalid_client: as the test says") as caught:
        await credentials(server, client("wrong-and-secret")).fetch()
    assert "wrong-and-secret" not in str(caught.value) + caught.value.hint
    with pytest.raises(TokenDenied, match="invalid_request"):
        await exchange(server, subject="stolen").fetch()


async def test_an_overloaded_server_is_asked_later(server: TokenEndpoint) -> None:
    for server.fails in (429, 503):
        with pytest.raises(TokenUnavailable) as caught:
            await credentials(server).fetch()
        assert caught.value.retry_after_s == 7


async def test_a_server_that_is_away_may_come_back(server: TokenEndpoint) -> None:
    source = ClientCredentials(
        Caller("http://127.0.0.1:1/token", what="the token endpoint"),
        client(),
        Wish(),
        now=lambda: NOW,
    )
    with pytest.raises(TokenUnavailable, match="can't be reached"):
        await source.fetch()


@pytest.mark.parametrize(
    ("told", "life_s"),
    [("3600", 3600), (3600.5, 3600.5), (0, 1), (True, None), (-1, None), ("soon", None)],
)
async def test_ends_as_servers_write_them(
    server: TokenEndpoint, told: object, life_s: float | None
) -> None:
    server.told["expires_in"] = told
    end = (await credentials(server).fetch()).expires_at
    assert end == (None if life_s is None else NOW + timedelta(seconds=life_s))


@pytest.mark.parametrize("told", [{"token_type": "DPoP"}, {"access_token": ""}, {"token_type": 1}])
async def test_what_is_no_bearer_token_is_refused(
    server: TokenEndpoint, told: dict[str, object]
) -> None:
    server.told |= told
    with pytest.raises(TokenDenied):
        await credentials(server).fetch()


def test_a_secret_is_not_sent_over_a_network_in_plaintext() -> None:
    for url in ("http://idp.example.com/token", "http://10.0.0.1/token", "ftp://127.0.0.1/"):
        with pytest.raises(TokenDenied, match="not https"):
            Caller(url, what="the token endpoint")
    for url in ("http://localhost:1/", "http://[::1]:1/", "https://idp.example.com/token"):
        Caller(url, what="the token endpoint")
