"""The part of Supabase Auth's HTTP API that a session needs: begin, refresh, look at and end it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from identity.errors import TokenDenied, TokenEnded
from identity.secret_stores.base import Secret
from identity.supabase.session import Session
from identity.token_sources.call import Answer, Caller

#: From this version on errors carry a code.
_API_VERSION: Final = "2024-01-01"
_PATH: Final = "/auth/v1"

#: The server's codes for a session that can't be refreshed any more, in words.
_OVER: Final = {
    "refresh_token_already_used": "the server saw an old refresh token used again and revoked the "
    "session: a copy of it may be in other hands, or two programs refreshed it",
    "refresh_token_not_found": "the server doesn't know the refresh token: it was signed out",
    "session_not_found": "the server doesn't know the session: it was signed out",
    "session_expired": "the session's time is over",
    "user_banned": "the user is banned",
    "user_not_found": "the user was deleted",
    "invalid_grant": "the server doesn't accept the refresh token",
}


class AuthApi:
    """Calls one project's Auth server with its publishable key.

    Every method raises `TokenUnavailable` and `TokenDenied`.
    """

    def __init__(
        self,
        url: str,
        publishable_key: str,
        *,
        ca_file: Path | None,
        now: Callable[[], datetime],
    ) -> None:
        self.url = url
        self._key = publishable_key
        self._now = now
        self._caller = Caller(url + _PATH, what="the Supabase Auth server", ca_file=ca_file)

    @property
    def issuer(self) -> str:
        """Who its access tokens say that they are from."""
        return self.url + _PATH

    def authorize_url(self, provider: str, *, redirect_to: str, verifier: str) -> str:
        """Where a browser begins to sign in with `provider` (PKCE, RFC 7636)."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "provider": provider,
            "redirect_to": redirect_to,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "s256",
        }
        return f"{self.url}{_PATH}/authorize?{urlencode(query)}"

    async def with_password(self, email: str, password: Secret) -> Session:
        """Sign in."""
        return await self._grant("password", {"email": email, "password": password.reveal()})

    async def with_code(self, code: str, verifier: str) -> Session:
        """Sign in by the code that the browser brought back."""
        return await self._grant("pkce", {"auth_code": code, "code_verifier": verifier})

    async def refresh(self, refresh_token: Secret) -> Session:
        """Swap the refresh token. Raises `TokenEnded` where the session is over."""
        return await self._grant("refresh_token", {"refresh_token": refresh_token.reveal()})

    async def user(self, access_token: Secret) -> Mapping[str, Any]:
        """The user whom the server takes the token for."""
        answer = await self._caller.call("GET", "/user", headers=self._headers(access_token))
        if answer.status != 200:
            raise self._caller.refused(answer, hint="run: devwiz-gw login supabase")
        return answer.json()

    async def key_set(self) -> Mapping[str, Any]:
        """The JSON Web Key Set by which access tokens are verified."""
        path = "/.well-known/jwks.json"
        answer = await self._caller.call("GET", path, headers=self._headers())
        if answer.status != 200:
            raise self._caller.refused(answer, hint="is the url the project's?")
        return answer.json()

    async def sign_out(self, access_token: Secret) -> None:
        """End this session at the server, and no other one of the user's."""
        answer = await self._caller.call(
            "POST", "/logout", query={"scope": "local"}, headers=self._headers(access_token)
        )
        # A session that isn't there any more is signed out as well.
        if answer.status not in {200, 204, 401, 403, 404}:
            raise self._caller.refused(answer)

    async def _grant(self, kind: str, body: dict[str, str]) -> Session:
        answer = await self._caller.call(
            "POST", "/token", query={"grant_type": kind}, headers=self._headers(), body=body
        )
        if answer.status != 200:
            raise self._no_session(kind, answer)
        return self._session(answer.json())

    def _no_session(self, kind: str, answer: Answer) -> Exception:
        told = answer.json()
        codes = (told.get("error_code"), told.get("code"), told.get("error"))
        over = next((_OVER[code] for code in codes if isinstance(code, str) and code in _OVER), "")
        if kind == "refresh_token" and over and not answer.is_temporary:
            return TokenEnded(
                f"the session has ended: {over}", hint="run: devwiz-gw login supabase"
            )
        return self._caller.refused(
            answer, hint="check the url and publishable_key, and what you signed in with"
        )

    def _session(self, told: Mapping[str, Any]) -> Session:
        access, refresh = told.get("access_token"), told.get("refresh_token")
        life_s = told.get("expires_in")
        if not (isinstance(access, str) and access and isinstance(refresh, str) and refresh):
            raise TokenDenied(f"{self._caller} gave no session", hint="is the url the project's?")
        if isinstance(life_s, bool) or not isinstance(life_s, int | float) or not 0 < life_s < 1e8:
            raise TokenDenied(f"{self._caller} gave a session without an end")
        user = told.get("user")
        user = user if isinstance(user, dict) else {}
        now = self._now()
        return Session(
            url=self.url,
            access_token=Secret(access),
            refresh_token=Secret(refresh),
            issued_at=now,
            expires_at=now + timedelta(seconds=life_s),
            user_id=str(user.get("id") or ""),
            email=str(user.get("email") or ""),
        )

    def _headers(self, access_token: Secret | None = None) -> dict[str, str]:
        headers = {"apikey": self._key, "X-Supabase-Api-Version": _API_VERSION}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token.reveal()}"
        return headers
