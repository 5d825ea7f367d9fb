"""Whether an access token is what it should be, by the project's keys and pinned algorithms."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import Secret
from identity.strict_json import strict_value
from identity.supabase.auth_api import AuthApi

#: What may sign, and the key that it takes; nothing in a token or key set adds to that.
_KEY_OF: Final = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "RS256": {"kty": "RSA"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
#: Of older projects: a secret that only the server has. It is asked then.
_SHARED_SECRET: Final = "HS256"  # noqa: S105 - an algorithm's name
#: As long as the server lets the key set be kept, and how often an unknown key asks for it again.
_KEEP_S: Final = 600.0
_FORCED_S: Final = 30.0
#: What two clocks may differ by.
_LEEWAY_S: Final = 30.0
#: RFC 7518 §3.3 has the least; more is work that somebody else makes.
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
#: The year 5138: no time of a token is later, and none is "never".
_LAST_S: Final = 1e11
_MAX_CHARS: Final = 65_536
_FORM: Final = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)


class AccessTokens:
    """Verifies the access tokens of one project."""

    def __init__(self, api: AuthApi, *, audience: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._audience = audience
        self._now = now
        self._keys: list[Mapping[str, Any]] = []
        self._asked_at: datetime | None = None

    async def verify(self, token: Secret, *, user_id: str) -> Mapping[str, Any]:
        """Its claims.

        Args:
            user_id: whose it must be; "" for anybody's.

        Raises:
            TokenDenied: it is not one that this project signed, for this audience and user, and
                that is good now.
            TokenUnavailable: the key set can't be had.
        """
        text = token.reveal()
        try:
            header, claims = _read(text)
            algorithm = header.get("alg")
            if algorithm == _SHARED_SECRET:
                await self._ask_server(token, claims)
            else:
                key = await self._key(str(algorithm), header.get("kid"))
                jwt.PyJWS().decode(text, key, algorithms=[str(algorithm)])
        except (jwt.PyJWTError, ValueError) as error:
            raise _denied(f"is not one that the project signed ({type(error).__name__})") from None
        self._judge(claims, user_id)
        return claims

    def _judge(self, claims: Mapping[str, Any], user_id: str) -> None:
        """Judged here and not by the library, because the clock is ours."""
        now = self._now().timestamp()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._api.issuer:
            raise _denied("is another issuer's")
        if self._audience not in audiences:
            raise _denied(f"isn't for the audience {self._audience!r}")
        if not isinstance(claims.get("sub"), str) or claims["sub"] != (user_id or claims["sub"]):
            raise _denied("is another user's")
        if not _is_time(claims.get("exp")) or now - _LEEWAY_S >= claims["exp"]:
            raise _denied("has ended already: check the clock")
        for name in ("iat", "nbf"):
            if name in claims and (not _is_time(claims[name]) or claims[name] > now + _LEEWAY_S):
                raise _denied("begins later: check the clock")

    async def _ask_server(self, token: Secret, claims: Mapping[str, Any]) -> None:
        user = await self._api.user(token)
        if not user.get("id") or user.get("id") != claims.get("sub"):
            raise _denied("isn't the one that the server knows")

    async def _key(self, algorithm: str, kid: object) -> Any:
        if algorithm not in _KEY_OF:
            raise _denied(f"is signed with {algorithm[:20]!r}, which is not taken")
        found = self._find(algorithm, kid) if self._is_younger_than(_KEEP_S) else None
        if found is None:
            if self._is_younger_than(_FORCED_S):
                raise TokenUnavailable("the access token's key is not in the project's key set")
            await self._ask()
            found = self._find(algorithm, kid)
        if found is None:
            raise _denied("is signed with a key that isn't in the project's key set")
        key = jwt.PyJWK.from_dict(dict(found), algorithm=algorithm).key
        if isinstance(key, RSAPublicKey) and not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            raise _denied(f"is signed with a key of {key.key_size} bits, which is not taken")
        return key

    async def _ask(self) -> None:
        keys = (await self._api.key_set()).get("keys")
        keys = keys if isinstance(keys, list) else []
        self._keys = [key for key in keys if isinstance(key, dict)]
        self._asked_at = self._now()

    def _find(self, algorithm: str, kid: object) -> Mapping[str, Any] | None:
        for key in self._keys:
            fits = all(key.get(name) == value for name, value in _KEY_OF[algorithm].items())
            if (
                fits
                and key.get("kid") == kid
                and key.get("alg", algorithm) == algorithm
                and key.get("use", "sig") == "sig"
                and "verify" in _texts(key.get("key_ops", ["verify"]))
            ):
                return key
        return None

    def _is_younger_than(self, seconds: float) -> bool:
        at = self._asked_at
        return at is not None and 0 <= (self._now() - at).total_seconds() < seconds


def _read(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not verified yet, read as nobody else can read otherwise. Raises
    `ValueError`, also for a header with extensions that have to be understood (RFC 7515 §4.1.11).
    """
    found = _FORM.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if found is None:
        raise ValueError("not three parts of base64url")
    header, claims = (strict_value(_decoded(part)) for part in found.groups()[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what is read is somebody else's
    if "crit" in header:
        raise ValueError("extensions")
    return header, claims


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_time(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value <= _LAST_S


def _denied(what: str) -> TokenDenied:
    return TokenDenied(
        f"the access token {what}", hint="check url and audience; then: devwiz-gw login supabase"
    )
