from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from identity.errors import StoreUnavailable, TokenDenied, TokenEnded, TokenUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from identity.supabase.access_tokens import AccessTokens
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import Session, decode, encode, session_ref
from identity.supabase.source import LOOK_AGAIN_S, LOOK_S, SupabaseSource
from tests.fakes.http_thread import Reply, Request
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

REF = session_ref("acme", "supabase")


class WatchedStore(MemoryStore):
    """Fails as long as it is told to, and calls back before it stores."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.before_set: Callable[[], None] = lambda: None

    async def set(self, ref: SecretRef, value: Secret) -> None:
        if self.locked:
            raise StoreUnavailable("the keychain is locked")
        self.before_set()
        await super().set(ref, value)


class Bench:
    def __init__(self, server: SupabaseAuth, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.store = WatchedStore()
        self.api = AuthApi(server.url, KEY, ca_file=None, now=self.now)
        self.source = self.another()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.server.ahead_s)

    def another(self) -> SupabaseSource:
        """As another process has it."""
        return SupabaseSource(
            self.api,
            AccessTokens(self.api, audience="authenticated", now=self.now),
            self.store,
            REF,
            lock=self.folder / "state" / "lock",
            now=self.now,
        )

    async def sign_in(self) -> Session:
        session = await self.api.with_password(EMAIL, Secret(PASSWORD))
        await self.store.set(REF, encode(session))
        return session

    async def kept(self) -> Session:
        return decode(await self.store.get(REF))


@pytest.fixture
def bench(server: SupabaseAuth, tmp_path: Path) -> Bench:
    return Bench(server, tmp_path)


async def test_a_fresh_session_is_used_as_it_is(bench: Bench) -> None:
    session = await bench.sign_in()
    token = await bench.source.fetch()
    assert token.value.reveal() == session.access_token.reveal()
    assert token.expires_at == session.expires_at
    assert token.ask_again_s == LOOK_S
    assert bench.server.refreshes == 0


async def test_a_refresh_is_stored_before_its_token_is_used(bench: Bench) -> None:
    first = await bench.sign_in()
    bench.server.ahead_s = 3600 - 60
    used: list[str] = []
    bench.store.before_set = lambda: used.extend(bench.server.paths()[-1:])
    token = await bench.source.fetch()
    assert used == ["/auth/v1/token"]
    kept = await bench.kept()
    assert kept.access_token.reveal() == token.value.reveal() != first.access_token.reveal()
    assert [kept.refresh_token.reveal()] == bench.server.active_refresh_tokens
    assert bench.server.paths()[-1] == "/auth/v1/.well-known/jwks.json"


async def test_what_can_not_be_stored_is_not_used_and_not_lost(bench: Bench) -> None:
    await bench.sign_in()
    bench.server.ahead_s = 3600 - 60
    bench.store.locked = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await bench.source.fetch()
    assert bench.server.refreshes == 1
    bench.store.locked = False
    token = await bench.source.fetch()
    assert bench.server.refreshes == 1
    assert (await bench.kept()).access_token.reveal() == token.value.reveal()


async def test_one_that_an_upstream_refused_is_refreshed_once(bench: Bench) -> None:
    session = await bench.sign_in()
    bench.source.refused(session.access_token)
    fresh = (await bench.source.fetch()).value.reveal()
    assert fresh != session.access_token.reveal()
    assert (await bench.kept()).access_token.reveal() == fresh
    assert (await bench.source.fetch()).value.reveal() == fresh
    other = bench.another()
    other.refused(session.access_token)
    assert (await other.fetch()).value.reveal() == fresh, "another process has refreshed already"


async def test_two_that_refresh_at_once_make_one_refresh(bench: Bench) -> None:
    await bench.sign_in()
    bench.server.ahead_s = 3600 - 60
    sources = [bench.source, bench.another(), bench.another()]
    tokens = await asyncio.gather(*(source.fetch() for source in sources))
    assert bench.server.refreshes == 1
    assert len({token.value.reveal() for token in tokens}) == 1


async def test_a_lost_answer_is_asked_for_again(bench: Bench) -> None:
    """The server takes the parent of its active token once more."""
    session = await bench.sign_in()
    await bench.api.refresh(session.refresh_token)  # somebody was killed before storing this
    bench.server.ahead_s = 3600 - 60
    await bench.source.fetch()
    assert [(await bench.kept()).refresh_token.reveal()] == bench.server.active_refresh_tokens


async def test_reuse_ends_the_session_with_a_clear_message(bench: Bench) -> None:
    first = await bench.sign_in()
    second = await bench.api.refresh(first.refresh_token)
    await bench.api.refresh(second.refresh_token)  # a copy of the session is in other hands
    bench.server.ahead_s = 3600 - 60
    with pytest.raises(TokenEnded, match="a copy of it may be in other hands") as told:
        await bench.source.fetch()
    assert told.value.retry_after_s == LOOK_AGAIN_S
    kept = await bench.kept()
    assert kept.ended
    assert kept.refresh_token.reveal() == ""
    for source in (bench.source, bench.another()):
        with pytest.raises(TokenEnded, match="in other hands") as caught:
            await source.fetch()
        assert caught.value.hint == "run: devwiz-gw login supabase"
        assert caught.value.retry_after_s == LOOK_AGAIN_S
    assert bench.server.refreshes == 3
    await bench.sign_in()
    await bench.source.fetch()


async def test_nobody_signed_in_is_told(bench: Bench) -> None:
    with pytest.raises(TokenEnded, match="nobody is signed in"):
        await bench.source.fetch()
    session = await bench.sign_in()
    await bench.source.fetch()
    await bench.store.delete(REF)
    with pytest.raises(TokenEnded):
        await bench.source.fetch()
    assert session.refresh_token.reveal() in bench.server.active_refresh_tokens


async def test_a_session_goes_to_its_own_project_only(bench: Bench) -> None:
    await bench.sign_in()
    with SupabaseAuth() as other:
        bench.api.url = other.url
        with pytest.raises(TokenEnded, match="the session is one of"):
            await bench.source.fetch()
        assert other.requests == []


async def test_a_server_in_trouble_leaves_the_session(bench: Bench) -> None:
    session = await bench.sign_in()
    await bench.source.fetch()
    bench.server.ahead_s, bench.server.fails = 3600 - 60, 503
    with pytest.raises(TokenUnavailable):
        await bench.source.fetch()
    assert (await bench.kept()).refresh_token.reveal() == session.refresh_token.reveal()
    bench.server.fails = 0
    await bench.source.fetch()


async def test_a_token_that_is_not_the_project_s_is_stored_but_not_used(bench: Bench) -> None:
    await bench.sign_in()
    bench.server.ahead_s = 3600 - 60
    bench.server.claims = {"iss": "https://evil.example"}
    with pytest.raises(TokenDenied, match="another issuer"):
        await bench.source.fetch()
    kept = await bench.kept()
    assert [kept.refresh_token.reveal()] == bench.server.active_refresh_tokens


async def test_who_is_cancelled_does_not_lose_the_answer(tmp_path: Path) -> None:
    import threading

    class Slow(SupabaseAuth):
        may_answer = threading.Event()

        def answer(self, request: Request) -> Reply:
            if request.query.get("grant_type") == "refresh_token":
                assert self.may_answer.wait(20)
            return super().answer(request)

    with Slow() as server:
        bench = Bench(server, tmp_path)
        await bench.sign_in()
        server.ahead_s = 3600 - 60
        asking = asyncio.create_task(bench.source.fetch())
        await asyncio.sleep(0.2)
        asking.cancel()
        await asyncio.wait([asking])
        server.may_answer.set()
        await bench.source.close()
        assert [(await bench.kept()).refresh_token.reveal()] == server.active_refresh_tokens
