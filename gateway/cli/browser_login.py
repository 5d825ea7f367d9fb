"""Signing in with the browser, which comes back to a port here: RFC 8252 section 7.3."""

from __future__ import annotations

import asyncio
import secrets
import webbrowser
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from identity.errors import TokenDenied, TokenUnavailable
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import Session

PATH: Final = "/callback"
#: Codes that are not worth a session are somebody else's; so many are looked at.
_MOST_CODES: Final = 20
_MOST_WORDS: Final = 200
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def sign_in_by_browser(
    api: AuthApi,
    provider: str,
    *,
    port: int,
    announce: Callable[[str], None],
    use_browser: bool,
    timeout_s: float,
) -> Session:
    """Send the browser to `provider` and wait for it to bring a code back.

    The code is worth a session only together with a secret that stays here (PKCE, RFC 7636). Who
    comes to the port without the `state` of this sign-in (RFC 6749 section 10.12), be it with a
    code or an error, is refused, and waited past.

    Raises:
        TokenDenied: the person or the provider refused.
        TokenUnavailable: nobody came back in time, or the port is taken.
    """
    callback = _Callback(api, verifier=secrets.token_urlsafe(48))
    runner = web.AppRunner(callback.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            raise TokenUnavailable(
                f"port {port} of 127.0.0.1 can't be listened on", hint="choose another --port"
            ) from error
        callback.host = f"127.0.0.1:{runner.addresses[0][1]}"
        url = callback.begin(provider)
        announce(f"sign in at {url}")
        if use_browser:
            await asyncio.to_thread(webbrowser.open, url)
        async with asyncio.timeout(timeout_s):
            return await callback.session
    except TimeoutError as error:
        raise TokenUnavailable(
            f"the browser didn't come back within {timeout_s:g} s",
            hint=f"does the project allow redirects to http://127.0.0.1:*{PATH}*?",
        ) from error
    finally:
        await runner.cleanup()


class _Callback:
    """Where the browser comes back to; `session` is what came of it."""

    def __init__(self, api: AuthApi, *, verifier: str) -> None:
        self.host = ""
        self.session: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._api = api
        self._verifier = verifier
        self._state = secrets.token_urlsafe(24)
        self._turn = asyncio.Lock()
        self._codes = 0

    def application(self) -> web.Application:
        """What the port answers."""
        application = web.Application()
        application.router.add_get(PATH, self._come_back, allow_head=False)
        return application

    def begin(self, provider: str) -> str:
        """Where the browser goes first."""
        # The server adds its answer to the query that is there.
        back = f"http://{self.host}{PATH}?{urlencode({'state': self._state})}"
        return self._api.authorize_url(provider, redirect_to=back, verifier=self._verifier)

    async def _come_back(self, request: web.Request) -> web.Response:
        # A page that has its own name resolve to this machine is not the browser that comes back.
        if request.headers.get("Host") != self.host:
            return _page("this is not the address", status=421)
        state = request.query.get("state", "").encode("utf-8", "surrogatepass")
        if not secrets.compare_digest(state, self._state.encode()):
            return _page("this sign-in was not begun here", status=400)
        async with self._turn:
            if self.session.done():
                return _page("this is over; see the terminal", status=410)
            if "error" in request.query:
                return self._refused(request)
            return await self._exchange(request.query.get("code", ""))

    def _refused(self, request: web.Request) -> web.Response:
        said = request.query.get("error_description") or request.query["error"]
        said = "".join(char if char.isprintable() else " " for char in said)[:_MOST_WORDS]
        self.session.set_exception(TokenDenied(f"signing in was refused: {said}"))
        return _page("signing in was refused; see the terminal", status=403)

    async def _exchange(self, code: str) -> web.Response:
        self._codes += 1
        try:
            if not code or self._codes > _MOST_CODES:
                return _page("no code that could be used", status=400)
            session = await self._api.with_code(code, self._verifier)
        except TokenDenied:
            return _page("this sign-in was not begun here, or it is too old", status=400)
        except TokenUnavailable as error:
            self.session.set_exception(error)
            return _page("the server can't be reached; see the terminal", status=502)
        self.session.set_result(session)
        return _page("signed in: you can close this page")


def _page(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=f"devwiz-gw: {text}\n", status=status, headers=_HEADERS)
