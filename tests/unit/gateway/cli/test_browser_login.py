from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from gateway.cli.browser_login import sign_in_by_browser
from identity.errors import TokenDenied, TokenUnavailable
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import Session
from tests.fakes.supabase_auth import KEY, SupabaseAuth


@pytest.fixture
def server() -> Iterator[SupabaseAuth]:
    with SupabaseAuth() as made:
        yield made


class Bench:
    """A sign-in that waits for its browser; `url` is what the browser was sent to."""

    def __init__(self, server: SupabaseAuth, *, timeout_s: float = 20.0) -> None:
        self.api = AuthApi(server.url, KEY, ca_file=None, now=lambda: datetime.now(UTC))
        self._told: asyncio.Queue[str] = asyncio.Queue()
        self._timeout_s = timeout_s
        self.url = ""

    @property
    def back(self) -> str:
        """Where the browser comes back to."""
        return parse_qs(urlsplit(self.url).query)["redirect_to"][0]

    async def start(self) -> asyncio.Task[Session]:
        task = asyncio.create_task(
            sign_in_by_browser(
                self.api,
                "github",
                port=0,
                announce=self._told.put_nowait,
                use_browser=False,
                timeout_s=self._timeout_s,
            )
        )
        self.url = (await self._told.get()).removeprefix("sign in at ")
        return task


@asynccontextmanager
async def visiting(url: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """What a browser gets there; redirects are followed."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        yield response


async def test_the_browser_brings_a_session_back(server: SupabaseAuth) -> None:
    bench = Bench(server)
    task = await bench.start()
    async with visiting(bench.url) as response:
        assert response.status == 200
        assert "signed in" in await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    session = await task
    assert session.user_id == server.user_id


async def test_a_code_of_somebody_else_is_waited_past(server: SupabaseAuth) -> None:
    bench, other = Bench(server), Bench(server)
    task, others = await bench.start(), await other.start()
    # The attacker begins elsewhere, and sends the victim's browser to the victim's port.
    injected = other.url.replace(_port(other), _port(bench))
    for url in (injected, f"{bench.back}&code=made-up", bench.back):
        async with visiting(url) as response:
            assert response.status == 400
    assert not task.done()
    async with visiting(bench.url) as response:
        assert response.status == 200
    assert (await task).user_id == server.user_id
    others.cancel()
    await asyncio.wait([others])


def _port(bench: Bench) -> str:
    return str(urlsplit(bench.back).port)


async def test_another_host_or_path_is_not_answered(server: SupabaseAuth) -> None:
    bench = Bench(server)
    task = await bench.start()
    async with visiting(f"{bench.back}&code=x", Host="evil.example") as response:
        assert response.status == 421
    async with visiting(bench.back.replace("/callback", "/")) as response:
        assert response.status == 404
    assert "/auth/v1/token" not in server.paths()
    task.cancel()
    await asyncio.wait([task])


async def test_a_refusal_ends_it(server: SupabaseAuth) -> None:
    bench = Bench(server)
    task = await bench.start()
    words = "error=access_denied&error_description=no%1b[31m+way"
    async with visiting(f"{bench.back}&{words}") as response:
        assert response.status == 403
    with pytest.raises(TokenDenied, match=r"refused: no \[31m way"):
        await task


@pytest.mark.parametrize("state", ["", "state=", "state=made-up", "state=%ED%A0%80"])
async def test_what_others_say_is_waited_past(server: SupabaseAuth, state: str) -> None:
    bench = Bench(server)
    task = await bench.start()
    nobody = f"{bench.back.partition('?')[0]}?{state}"
    for _ in range(30):  # more than the codes that are looked at
        async with visiting(f"{nobody}&code=made-up") as response:
            assert response.status == 400
    async with visiting(f"{nobody}&error=access_denied") as response:
        assert response.status == 400
    assert "/auth/v1/token" not in server.paths()
    async with visiting(bench.url) as response:
        assert response.status == 200
    assert (await task).user_id == server.user_id


async def test_nobody_who_comes_back_is_not_waited_for_for_ever(server: SupabaseAuth) -> None:
    bench = Bench(server, timeout_s=0.05)
    task = await bench.start()
    with pytest.raises(TokenUnavailable, match="didn't come back") as caught:
        await task
    assert "/callback" in caught.value.hint


async def test_a_port_that_is_taken_is_told(server: SupabaseAuth) -> None:
    bench = Bench(server)
    task = await bench.start()
    with pytest.raises(TokenUnavailable, match="can't be listened on"):
        await sign_in_by_browser(
            bench.api,
            "github",
            port=int(_port(bench)),
            announce=lambda _: None,
            use_browser=False,
            timeout_s=1.0,
        )
    task.cancel()
    await asyncio.wait([task])
