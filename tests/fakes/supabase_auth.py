"""A Supabase Auth server for tests: its token endpoint with the rules by which refresh tokens are
rotated and reuse is punished, its key set, and signing in by password and by browser.

The rules are those of the server's token service: a token that was used is answered once more if it
is the parent of the active one, or was used within the reuse interval; else the session is ended.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.http_thread import HttpThread, Reply, Request

KEY = "sb_publishable_of-the-tests"
EMAIL = "ada@example.com"
PASSWORD = "correct horse"
REUSE_INTERVAL_S = 10.0
_NEW_ERRORS = "2024-01-01"


@dataclass(slots=True)
class _Refresh:
    """One refresh token. `updated_at` is when it was used."""

    value: str
    parent: str
    revoked: bool = False
    updated_at: float = 0.0


@dataclass(slots=True)
class _Session:
    id: str
    tokens: list[_Refresh] = field(default_factory=list)

    @property
    def active(self) -> _Refresh | None:
        return next((token for token in reversed(self.tokens) if not token.revoked), None)


class SupabaseAuth(HttpThread):
    """One user, any number of sessions.

    Attributes:
        life_s: how long access tokens live.
        ahead_s: how far its clock is ahead of this machine's.
        algorithm: "ES256", or "HS256" as older projects have it.
        claims: what access tokens say beside, or instead of, what they usually do.
        fails: a status that is answered to everything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.life_s = 3600
        self.ahead_s = 0.0
        self.algorithm = "ES256"
        self.claims: dict[str, Any] = {}
        self.fails = 0
        self.user_id = str(uuid4())
        self.banned = False
        self.refreshes = 0
        self._sessions: list[_Session] = []
        self._codes: dict[str, str] = {}
        self.use_new_key("key-1")

    def use_new_key(self, kid: str) -> None:
        """Sign with another key from now on; the key set has it and no other."""
        self.kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._shared = secrets.token_hex(32)

    def end_sessions(self) -> None:
        """Sign everybody out."""
        self._sessions.clear()

    @property
    def active_refresh_tokens(self) -> list[str]:
        """Of each session, the one that is to be used next."""
        return [session.active.value for session in self._sessions if session.active]

    def access_token(self, **claims: Any) -> str:
        """One that this server signed, saying something else."""
        return self._sign(_Session(id="s"), claims)

    def answer(self, request: Request) -> Reply:
        if self.fails:
            return _error(request, self.fails, "unexpected_failure", "broken")
        assert request.path.startswith("/auth/v1/")
        path = request.path.removeprefix("/auth/v1")
        if path == "/authorize":
            return self._authorize(request)
        if request.headers.get("apikey") != KEY:
            return Reply(status=401, body={"message": "Invalid API key"})
        if (request.method, path) == ("GET", "/.well-known/jwks.json"):
            return Reply(body=self._key_set(), headers={"Cache-Control": "public, max-age=600"})
        if (request.method, path) == ("POST", "/token"):
            return self._token(request)
        return self._of_user(request, path)

    # -- beginning and refreshing ----------------------------------------------------------------

    def _token(self, request: Request) -> Reply:
        assert request.headers["content-type"].startswith("application/json")
        body = request.json
        match request.query.get("grant_type"):
            case "password":
                if (body.get("email"), body.get("password")) != (EMAIL, PASSWORD):
                    return _error(request, 400, "invalid_credentials", "Invalid login credentials")
                return self._begin()
            case "pkce":
                return self._exchange(request, body)
            case "refresh_token":
                return self._refresh(request, body.get("refresh_token"))
            case _:
                return _error(request, 400, "validation_failed", "unsupported_grant_type")

    def _exchange(self, request: Request, body: dict[str, Any]) -> Reply:
        challenge = self._codes.pop(body.get("auth_code", ""), None)
        if challenge is None:
            return _error(request, 404, "flow_state_not_found", "invalid flow state")
        digest = hashlib.sha256(body["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            return _error(request, 400, "bad_code_verifier", "code challenge does not match")
        return self._begin()

    def _authorize(self, request: Request) -> Reply:
        """Where the browser is sent; here everybody signs in at once, and is sent back."""
        assert request.method == "GET"
        assert request.query["code_challenge_method"].lower() == "s256"
        code = str(uuid4())
        self._codes[code] = request.query["code_challenge"]
        back = request.query["redirect_to"]
        joint = "&" if "?" in back else "?"
        return Reply(status=302, headers={"Location": f"{back}{joint}{urlencode({'code': code})}"})

    def _begin(self) -> Reply:
        session = _Session(id=str(uuid4()))
        self._sessions.append(session)
        return self._answer(session, self._swap(session, ""))

    def _refresh(self, request: Request, value: object) -> Reply:
        self.refreshes += 1
        found = [(s, t) for s in self._sessions for t in s.tokens if t.value == value]
        if not found:
            text = "Invalid Refresh Token: Refresh Token Not Found"
            return _error(request, 400, "refresh_token_not_found", text)
        if self.banned:
            return _error(request, 400, "user_banned", "Invalid Refresh Token: User Banned")
        ((session, token),) = found
        if not token.revoked:
            return self._answer(session, self._swap(session, token.value))
        active = session.active
        if active is not None and active.parent == token.value:
            return self._answer(session, active.value)
        if self._now() <= token.updated_at + REUSE_INTERVAL_S:
            return self._answer(session, self._swap(session, token.value))
        for item in session.tokens:
            item.revoked = True
        return _error(
            request, 400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"
        )

    def _swap(self, session: _Session, parent: str) -> str:
        for token in session.tokens:
            if token.value == parent and not token.revoked:
                token.revoked, token.updated_at = True, self._now()
        session.tokens.append(_Refresh(value=secrets.token_urlsafe(9), parent=parent))
        return session.tokens[-1].value

    # -- with an access token --------------------------------------------------------------------

    def _of_user(self, request: Request, path: str) -> Reply:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        claims = self._verified(text) if scheme == "Bearer" else None
        if claims is None:
            return _error(request, 403, "bad_jwt", "invalid JWT")
        session = next((s for s in self._sessions if s.id == claims["session_id"]), None)
        if session is None:
            text = "Session from session_id claim in JWT does not exist"
            return _error(request, 403, "session_not_found", text)
        if (request.method, path) == ("GET", "/user"):
            return Reply(body=self._user())
        if (request.method, path) == ("POST", "/logout"):
            if request.query.get("scope", "global") == "global":
                self._sessions.clear()
            else:
                self._sessions.remove(session)
            return Reply(status=204)
        return Reply(status=404)

    def _verified(self, text: str) -> dict[str, Any] | None:
        key: Any = self._shared if self.algorithm == "HS256" else self._key.public_key()
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[self.algorithm],
                audience="authenticated",
                options={"verify_exp": False, "verify_iat": False},  # by this server's clock
            )
        except jwt.PyJWTError:
            return None
        return claims if claims["exp"] > self._now() else None

    # -- documents -------------------------------------------------------------------------------

    def _answer(self, session: _Session, refresh_token: str) -> Reply:
        end = int(self._now()) + self.life_s
        return Reply(
            body={
                "access_token": self._sign(session, self.claims),
                "token_type": "bearer",
                "expires_in": self.life_s,
                "expires_at": end,
                "refresh_token": refresh_token,
                "user": self._user(),
            }
        )

    def _sign(self, session: _Session, claims: dict[str, Any]) -> str:
        now = int(self._now())
        usual = {
            "iss": self.url + "/auth/v1",
            "sub": self.user_id,
            "aud": "authenticated",
            "iat": now,
            "exp": now + self.life_s,
            "email": EMAIL,
            "role": "authenticated",
            "aal": "aal1",
            "session_id": session.id,
            "is_anonymous": False,
            "jti": str(uuid4()),  # so that no two are alike
        }
        key: Any = self._shared if self.algorithm == "HS256" else self._key
        return jwt.encode(usual | claims, key, self.algorithm, headers={"kid": self.kid})

    def _user(self) -> dict[str, Any]:
        return {
            "id": self.user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": EMAIL,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {},
            "identities": [],
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "is_anonymous": False,
        }

    def _key_set(self) -> dict[str, Any]:
        if self.algorithm == "HS256":
            return {"keys": []}
        key: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(
            self._key.public_key(), as_dict=True
        )
        more = {"kid": self.kid, "use": "sig", "alg": "ES256", "key_ops": ["verify"], "ext": True}
        return {"keys": [key | more]}

    def _now(self) -> float:
        return time.time() + self.ahead_s


def _error(request: Request, status: int, code: str, text: str) -> Reply:
    """As the client's API version has it."""
    if request.headers.get("x-supabase-api-version", "") >= _NEW_ERRORS:
        headers = {"X-Supabase-Api-Version": _NEW_ERRORS}
        return Reply(status=status, body={"code": code, "message": text}, headers=headers)
    return Reply(status=status, body={"code": status, "error_code": code, "msg": text})
