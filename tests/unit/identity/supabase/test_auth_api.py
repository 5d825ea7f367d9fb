from __future__ import annotations

import http.client
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from identity.errors import TokenDenied, TokenEnded, TokenUnavailable
from identity.secret_stores.base import Secret
from identity.supabase.auth_api import AuthApi
from tests.fakes.http_thread import Reply, Request
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def api(server: SupabaseAuth, key: str = KEY) -> AuthApi:
    return AuthApi(server.url, key, ca_file=None, now=lambda: NOW)


async def test_a_password_begins_a_session(server: SupabaseAuth) -> None:
    session = await api(server).with_password(EMAIL, Secret(PASSWORD))
    assert (session.user_id, session.email) == (server.user_id, EMAIL)
    assert session.url == server.url
    assert session.expires_at == NOW + timedelta(hours=1)
    assert [session.refresh_token.reveal()] == server.active_refresh_tokens


async def test_a_wrong_password_and_a_wrong_key_are_refused(server: SupabaseAuth) -> None:
    with pytest.raises(TokenDenied, match="invalid_credentials") as caught:
        await api(server).with_password(EMAIL, Secret("wrong-password"))
    assert "wrong-password" not in str(caught.value) + caught.value.hint
    assert not isinstance(caught.value, TokenEnded)
    with pytest.raises(TokenDenied, match="answered 401: Invalid API key"):
        await api(server, "sb_publishable_other").with_password(EMAIL, Secret(PASSWORD))


async def test_a_refresh_swaps_the_token(server: SupabaseAuth) -> None:
    first = await api(server).with_password(EMAIL, Secret(PASSWORD))
    second = await api(server).refresh(first.refresh_token)
    assert [second.refresh_token.reveal()] == server.active_refresh_tokens
    assert second.refresh_token.reveal() != first.refresh_token.reveal()


async def test_the_end_of_a_session_is_told_in_words(server: SupabaseAuth) -> None:
    first = await api(server).with_password(EMAIL, Secret(PASSWORD))
    second = await api(server).refresh(first.refresh_token)
    await api(server).refresh(second.refresh_token)
    server.ahead_s = 60
    with pytest.raises(TokenEnded, match="old refresh token used again") as caught:
        await api(server).refresh(first.refresh_token)
    assert caught.value.hint == "run: devwiz-gw login supabase"
    server.end_sessions()
    with pytest.raises(TokenEnded, match="signed out"):
        await api(server).refresh(second.refresh_token)
    await api(server).with_password(EMAIL, Secret(PASSWORD))
    server.banned = True
    with pytest.raises(TokenEnded, match="banned"):
        await api(server).refresh(Secret(server.active_refresh_tokens[0]))


async def test_a_server_in_trouble_ends_nothing(server: SupabaseAuth) -> None:
    first = await api(server).with_password(EMAIL, Secret(PASSWORD))
    for server.fails in (500, 503, 429, 409):
        with pytest.raises(TokenUnavailable):
            await api(server).refresh(first.refresh_token)
    server.fails = 403
    with pytest.raises(TokenDenied) as caught:
        await api(server).refresh(first.refresh_token)
    assert not isinstance(caught.value, TokenEnded)


async def test_older_servers_spell_errors_otherwise(server: SupabaseAuth) -> None:
    class Older(SupabaseAuth):
        told: Any = None

        def answer(self, request: Request) -> Reply:
            return Reply(status=400, body=self.told)

    with Older() as older:
        for older.told in (
            {"code": 400, "error_code": "refresh_token_not_found", "msg": "x"},
            {"error": "invalid_grant", "error_description": "Invalid Refresh Token"},
        ):
            with pytest.raises(TokenEnded):
                await api(older).refresh(Secret("r"))


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"refresh_token": ""},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": True},
    ],
)
async def test_half_a_session_is_none(change: dict[str, object]) -> None:
    class Half(SupabaseAuth):
        def answer(self, request: Request) -> Reply:
            reply = super().answer(request)
            return Reply(body=reply.body | change)

    with Half() as half, pytest.raises(TokenDenied):
        await api(half).with_password(EMAIL, Secret(PASSWORD))


def test_the_browser_begins_with_a_challenge(server: SupabaseAuth) -> None:
    url = api(server).authorize_url("github", redirect_to="http://127.0.0.1:1/c", verifier="v")
    query = parse_qs(urlsplit(url).query)
    assert query == {
        "provider": ["github"],
        "redirect_to": ["http://127.0.0.1:1/c"],
        # The SHA-256 of "v", by another tool.
        "code_challenge": ["TJRIXgwhrmxBzh3-e2v6zupato5AokdvUCCOUm9QYIA"],
        "code_challenge_method": ["s256"],
    }


async def test_signing_out_ends_this_session_only(server: SupabaseAuth) -> None:
    first = await api(server).with_password(EMAIL, Secret(PASSWORD))
    second = await api(server).with_password(EMAIL, Secret(PASSWORD))
    await api(server).sign_out(first.access_token)
    assert server.active_refresh_tokens == [second.refresh_token.reveal()]
    await api(server).sign_out(first.access_token)  # no such session: as good
    server.fails = 500
    with pytest.raises(TokenUnavailable):
        await api(server).sign_out(second.access_token)


def code_of(server: SupabaseAuth, verifier: str) -> str:
    """What a browser brings back, having been sent with that verifier's challenge."""
    url = urlsplit(api(server).authorize_url("github", redirect_to="http://x/", verifier=verifier))
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    connection.request("GET", f"{url.path}?{url.query}")
    back = connection.getresponse().headers["Location"]
    connection.close()
    return parse_qs(urlsplit(back).query)["code"][0]


async def test_a_code_is_worth_a_session_to_who_began(server: SupabaseAuth) -> None:
    session = await api(server).with_code(code_of(server, "v" * 43), "v" * 43)
    assert session.user_id == server.user_id
    with pytest.raises(TokenDenied, match="bad_code_verifier"):
        await api(server).with_code(code_of(server, "v" * 43), "w" * 43)
    with pytest.raises(TokenDenied, match="flow_state_not_found"):
        await api(server).with_code("made-up", "v" * 43)


def test_the_challenge_is_rfc_7636s() -> None:
    # Appendix B.
    api = AuthApi("http://127.0.0.1:1", KEY, ca_file=None, now=lambda: datetime.now(UTC))
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    url = api.authorize_url("github", redirect_to="http://127.0.0.1:2/", verifier=verifier)
    assert "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&" in url
