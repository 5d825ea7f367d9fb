"""Access tokens of an OAuth 2.0 token endpoint: client credentials (RFC 6749 section 4.4) and
exchange of another token (RFC 8693).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import quote_plus

from identity.errors import TokenDenied
from identity.secret_stores.base import Secret
from identity.token_sources.base import Token
from identity.token_sources.call import Answer, Caller

#: Reads a secret at the moment when it is needed.
ReadSecret = Callable[[], Awaitable[Secret]]

_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_LONGEST_LIFE_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks. Without a `read_secret` the client is public, and says only its id."""

    id: str
    read_secret: ReadSecret | None = None
    method: Literal["basic", "post"] = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the token is for; "" leaves it to the server."""

    scope: str = ""
    audience: str = ""
    resource: str = ""

    def form(self) -> dict[str, str]:
        """The parameters that say so: RFC 6749 section 3.3, RFC 8693 section 2.1, RFC 8707."""
        told = {"scope": self.scope, "audience": self.audience, "resource": self.resource}
        return {name: text for name, text in told.items() if text}


class ClientCredentials:
    """A `TokenSource`: the client's own tokens."""

    def __init__(
        self, caller: Caller, client: Client, wish: Wish, *, now: Callable[[], datetime]
    ) -> None:
        self._caller = caller
        self._client = client
        self._wish = wish
        self._now = now

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        form = {"grant_type": "client_credentials", **self._wish.form()}
        answer = await _ask(self._caller, self._client, form)
        return _token(self._caller, answer, self._now(), types=("bearer",))

    async def close(self) -> None:
        """Nothing is held open."""


class TokenExchange:
    """A `TokenSource`: tokens that another one is exchanged for.

    Args:
        read_subject: reads the token that is exchanged, of the type `subject_type`.
        requested_type: the type of token that is wanted; "" leaves it to the server.
    """

    def __init__(
        self,
        caller: Caller,
        client: Client | None,
        wish: Wish,
        *,
        read_subject: ReadSecret,
        subject_type: str,
        requested_type: str,
        now: Callable[[], datetime],
    ) -> None:
        self._caller = caller
        self._client = client
        self._wish = wish
        self._read_subject = read_subject
        self._subject_type = subject_type
        self._requested_type = requested_type
        self._now = now

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        subject = await self._read_subject()
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": subject.reveal(),
            "subject_token_type": self._subject_type,
            **({"requested_token_type": self._requested_type} if self._requested_type else {}),
            **self._wish.form(),
        }
        answer = await _ask(self._caller, self._client, form)
        # "N_A" where what is issued isn't an access token (RFC 8693 section 2.2.1).
        token = _token(self._caller, answer, self._now(), types=("bearer", "n_a"))
        issued = answer.json().get("issued_token_type")
        if not isinstance(issued, str) or issued != (self._requested_type or issued):
            raise TokenDenied(
                f"{self._caller} issued another type of token than was asked for",
                hint="does it take token exchange (RFC 8693)? see requested_token_type",
            )
        return token

    async def close(self) -> None:
        """Nothing is held open."""


async def _ask(caller: Caller, client: Client | None, form: dict[str, str]) -> Answer:
    headers: dict[str, str] = {}
    if client is not None:
        secret = await client.read_secret() if client.read_secret is not None else None
        if secret is not None and client.method == "basic":
            headers["Authorization"] = _basic(client.id, secret)
        else:
            form["client_id"] = client.id
            if secret is not None:
                form["client_secret"] = secret.reveal()
    answer = await caller.call("POST", headers=headers, form=form)
    if answer.status != 200:
        raise caller.refused(answer, hint="check the client's id and secret, scope and audience")
    return answer


def _basic(client_id: str, secret: Secret) -> str:
    # Both are form-encoded before they are joined: RFC 6749 section 2.3.1.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _token(caller: Caller, answer: Answer, now: datetime, *, types: tuple[str, ...]) -> Token:
    told: Mapping[str, Any] = answer.json()
    value, kind = told.get("access_token"), told.get("token_type")
    if not isinstance(value, str) or not value or not isinstance(kind, str):
        raise TokenDenied(f"{caller} gave no access token", hint="is it a token endpoint?")
    if kind.lower() not in types:
        raise TokenDenied(
            f"{caller} gave a token of type {kind[:40]!r}",
            hint="a bearer token is needed: others are bound to a key",
        )
    life_s = _life_s(told.get("expires_in"))
    ends = None if life_s is None else now + timedelta(seconds=life_s)
    return Token(value=Secret(value), expires_at=ends)


def _life_s(told: object) -> float | None:
    """`expires_in`, which some servers write as a text; None where there is none that makes sense.

    A life of no time is one second's: a token that has ended is never what was meant.
    """
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told[:12])
    if isinstance(told, bool) or not isinstance(told, int | float) or told < 0:
        return None
    return float(min(max(told, 1), _LONGEST_LIFE_S))
