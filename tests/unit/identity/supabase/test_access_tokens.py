from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import Secret
from identity.supabase.access_tokens import AccessTokens
from identity.supabase.auth_api import AuthApi
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

JWKS = "/auth/v1/.well-known/jwks.json"


class Bench:
    def __init__(self, server: SupabaseAuth) -> None:
        self.server = server
        self.ahead_s = 0.0
        self.api = AuthApi(server.url, KEY, ca_file=None, now=self.now)
        self.tokens = AccessTokens(self.api, audience="authenticated", now=self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s)

    async def verify(self, token: str, user_id: str = "") -> None:
        claims = await self.tokens.verify(Secret(token), user_id=user_id)
        assert claims["sub"] == self.server.user_id

    @property
    def asked(self) -> int:
        return self.server.paths().count(JWKS)


@pytest.fixture
def bench(server: SupabaseAuth) -> Bench:
    return Bench(server)


async def test_a_good_one_is_taken_and_the_key_set_kept(bench: Bench) -> None:
    for _ in range(3):
        await bench.verify(bench.server.access_token(), bench.server.user_id)
    assert bench.asked == 1
    bench.ahead_s = 601
    await bench.verify(bench.server.access_token())
    assert bench.asked == 2


async def test_a_new_key_is_asked_for_once_in_a_while(bench: Bench) -> None:
    await bench.verify(bench.server.access_token())
    bench.server.use_new_key("key-2")
    with pytest.raises(TokenUnavailable, match="key is not in"):
        await bench.verify(bench.server.access_token())
    assert bench.asked == 1
    bench.ahead_s = 31
    await bench.verify(bench.server.access_token())
    assert bench.asked == 2


async def test_the_same_name_of_another_key_is_refused(bench: Bench) -> None:
    await bench.verify(bench.server.access_token())
    bench.server.use_new_key("key-1")
    with pytest.raises(TokenDenied, match="not one that the project signed"):
        await bench.verify(bench.server.access_token())


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "anon"}, "isn't for the audience"),
        ({"aud": None}, "isn't for the audience"),
        ({"sub": "somebody-else"}, "another user"),
        ({"sub": None}, "another user"),
        ({"exp": 1_000_000_000}, "has ended"),
        ({"exp": None}, "has ended"),
        ({"exp": "never"}, "has ended"),
        ({"iat": 4_000_000_000}, "begins later"),
        ({"nbf": 4_000_000_000}, "begins later"),
    ],
)
async def test_what_it_says_is_judged(bench: Bench, claims: dict[str, Any], why: str) -> None:
    with pytest.raises(TokenDenied, match=why):
        await bench.verify(bench.server.access_token(**claims), bench.server.user_id)


async def test_an_audience_among_several_is_enough(bench: Bench) -> None:
    await bench.verify(bench.server.access_token(aud=["other", "authenticated"]))


def claims_of(bench: Bench) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": bench.api.issuer,
        "sub": bench.server.user_id,
        "aud": "authenticated",
        "iat": now,
        "exp": now + 600,
        "session_id": "s",
    }


async def test_algorithms_are_pinned(bench: Bench) -> None:
    claims, headers = claims_of(bench), {"kid": "key-1"}
    forged = [
        jwt.encode(claims, "", "none", headers=headers),
        jwt.encode(claims, ec.generate_private_key(ec.SECP384R1()), "ES384", headers=headers),
        jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256", headers=headers),
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers=headers),
        jwt.encode(claims, "k" * 64, "HS512", headers=headers),
    ]
    for token in forged:
        bench.ahead_s += 31  # else the key set would not be asked again
        with pytest.raises(TokenDenied):
            await bench.verify(token)


async def test_a_shared_secret_is_the_server_s_to_judge(bench: Bench) -> None:
    bench.server.algorithm = "HS256"
    session = await bench.api.with_password(EMAIL, Secret(PASSWORD))
    await bench.verify(session.access_token.reveal(), bench.server.user_id)
    assert "/auth/v1/user" in bench.server.paths()
    forged = jwt.encode(claims_of(bench), "k" * 64, "HS256", headers={"kid": "key-1"})
    with pytest.raises(TokenDenied):
        await bench.verify(forged)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "{}", "..", "e30.e30.e30"])
async def test_what_is_no_jwt_is_refused(bench: Bench, text: str) -> None:
    with pytest.raises(TokenDenied):
        await bench.verify(text)


async def test_a_key_set_of_any_shape_is_survived(server: SupabaseAuth) -> None:
    bench = Bench(server)

    class OddApi(AuthApi):
        told: Any = None

        async def key_set(self) -> Any:
            return self.told

    api = OddApi(server.url, KEY, ca_file=None, now=bench.now)
    for api.told in ({}, {"keys": 1}, {"keys": [1, None, {}, {"kid": "key-1", "kty": "EC"}]}):
        tokens = AccessTokens(api, audience="authenticated", now=bench.now)
        with pytest.raises(TokenDenied):
            await tokens.verify(Secret(server.access_token()), user_id="")
    api.told = {"keys": [{"kid": "key-1", "kty": "EC", "crv": "P-256", "x": "!", "y": "!"}]}
    with pytest.raises(TokenDenied):
        await AccessTokens(api, audience="authenticated", now=bench.now).verify(
            Secret(server.access_token()), user_id=""
        )
