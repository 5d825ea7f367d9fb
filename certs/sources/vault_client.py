"""The client side of Vault's and OpenBao's HTTPS interface: tokens and the PKI secrets engine."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from certs import clock_skew
from certs.errors import CertsError, ReplyRejected, SourceDenied
from certs.sources.https_call import Answer, Far, HttpsCaller, json_object
from certs.svid import MAX_CHAIN_LENGTH

_VAULT: Final = Far(
    name="the Vault",
    if_unreachable="is it running, and is the url right?",
    if_stranger="no credential was sent to it; does ca_file hold its authority, and is the url's "
    "host in its certificate? else somebody stands in between",
)
_MOST_WORDS: Final = 200
_MOST_ISSUERS: Final = 16
_RENEW_SHARE: Final = 0.6
_MOST_LIFE_S: Final = 10 * 365 * 86_400
_REMEDIES: Final[Mapping[str, str]] = {
    "login": "check the credential, auth_mount and namespace, and the role's bound claims or CIDRs",
    "sign": "check mount, role and the token's policy (update on MOUNT/sign/ROLE), and that the "
    "role allows the name (allowed_uri_sans), key_type any or ec, require_cn=false",
    "trust": "check mount and namespace",
}


class TokenRefused(SourceDenied):
    """The token isn't good for this (any more): log in again."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VaultToken:
    """A client token. `expires` is None for one that never does, `renew_at` for one that can't be
    renewed.
    """

    value: str
    expires: datetime | None = None
    renew_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The checked shape of a signature's reply; what is in it is not checked yet."""

    leaf_pem: str
    authorities_pem: tuple[str, ...]


class VaultClient:
    """Calls one Vault. Holds no connection between calls.

    Every method raises `SourceUnavailable`, `SourceDenied` or `ReplyRejected`, naming the step.

    Args:
        context: makes the TLS context of each call.
        now: the present, for lifetimes of tokens and remarks about clocks.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        context: Callable[[], Awaitable[ssl.SSLContext]],
        now: Callable[[], datetime],
        timeout_s: float,
    ) -> None:
        self._caller = HttpsCaller(url, _VAULT, timeout_s=timeout_s, now=now)
        self._namespace = namespace
        self._context = context
        self._now = now

    def __str__(self) -> str:
        return str(self._caller)

    @property
    def skew_s(self) -> float | None:
        """See `HttpsCaller`."""
        return self._caller.skew_s

    async def log_in(self, mount: str, body: Mapping[str, str]) -> VaultToken:
        """Exchange a credential for a token at `auth/MOUNT`."""
        answer = await self._call("login", "POST", f"auth/{mount}/login", body=body)
        return self._token(_member("login", answer, "auth"))

    async def look_up(self, value: str) -> VaultToken:
        """What is to be known of a token that somebody gave us."""
        answer = await self._call("login", "GET", "auth/token/lookup-self", token=value)
        data = _member("login", answer, "data")
        told = {"client_token": value, "lease_duration": data.get("ttl")}
        return self._token(data | told)

    async def renew(self, token: VaultToken) -> VaultToken:
        """The same token with a new end."""
        answer = await self._call("login", "POST", "auth/token/renew-self", token=token.value)
        return self._token(_member("login", answer, "auth") | {"client_token": token.value})

    async def sign(
        self, token: VaultToken, mount: str, role: str, body: Mapping[str, Any]
    ) -> Signed:
        """Have a signing request signed by a role of the PKI engine at `mount`."""
        answer = await self._call(
            "sign", "POST", f"{mount}/sign/{role}", token=token.value, body=body
        )
        data = _member("sign", answer, "data")
        chain = data.get("ca_chain") or [data.get("issuing_ca")]
        if not isinstance(chain, list) or len(chain) > MAX_CHAIN_LENGTH:
            raise ReplyRejected("sign: the reply's member 'ca_chain' is not a list of certificates")
        return Signed(
            leaf_pem=_pem("sign", data.get("certificate"), "certificate"),
            authorities_pem=tuple(_pem("sign", item, "ca_chain") for item in chain),
        )

    async def issuers(self, mount: str) -> tuple[str, ...]:
        """The certificates of all issuers of the mount, PEM: while a CA is being replaced, the old
        and the new one. Needs no token.
        """
        answer = await self._call("trust", "GET", f"{mount}/issuers", query={"list": "true"})
        names = _member("trust", answer, "data").get("keys")
        if not isinstance(names, list) or not 0 < len(names) <= _MOST_ISSUERS:
            raise ReplyRejected(f"trust: {mount} lists no issuers, or over {_MOST_ISSUERS}")
        found = []
        for name in names:
            answer = await self._call("trust", "GET", f"{mount}/issuer/{name}/json")
            data = _member("trust", answer, "data")
            found.append(_pem("trust", data.get("certificate"), "certificate"))
        return tuple(found)

    async def _call(
        self,
        step: str,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        headers = {"X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        answer = await self._caller.call(
            step,
            method,
            f"v1/{path}",
            await self._context(),
            body=body,
            headers=headers,
            query=query,
        )
        if answer.status != 200:
            raise self._refusal(step, answer)
        return answer

    def _refusal(self, step: str, answer: Answer) -> CertsError:
        said = _words(answer.body)
        # 412: this node hasn't seen yet what another one wrote.
        if answer.is_temporary or answer.status == 412:
            return self._caller.temporary(step, answer, said)
        if answer.status in (400, 403, 404):
            text = f"{step}: the Vault {self} refuses ({answer.status})" + (said and f": {said}")
            hint = "; ".join(
                remark for remark in (clock_skew.remark(answer.skew_s), _REMEDIES[step]) if remark
            )
            kind = TokenRefused if answer.status == 403 else SourceDenied
            return kind(text, hint=hint)
        return self._caller.not_understood(step, answer)

    def _token(self, told: Mapping[str, Any]) -> VaultToken:
        value, life_s = told.get("client_token"), told.get("lease_duration")
        if not isinstance(value, str) or not _is_header_text(value):
            raise ReplyRejected("login: the reply holds no client_token")
        if not isinstance(life_s, int) or isinstance(life_s, bool) or life_s < 0:
            raise ReplyRejected("login: the reply doesn't say how long the token lives")
        if not life_s:  # so it is said of a token that never ends
            return VaultToken(value=value)
        now, life = self._now(), timedelta(seconds=min(life_s, _MOST_LIFE_S))
        is_renewable = told.get("renewable") is True
        return VaultToken(
            value=value,
            expires=now + life,
            renew_at=now + life * _RENEW_SHARE if is_renewable else None,
        )


def _member(step: str, answer: Answer, name: str) -> dict[str, Any]:
    value = (json_object(answer.body) or {}).get(name)
    if not isinstance(value, dict):
        raise ReplyRejected(f"{step}: the reply has no object {name!r}")
    return value


def _pem(step: str, value: object, name: str) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise ReplyRejected(f"{step}: the reply has no text member {name!r}")
    return value


def _is_header_text(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def _words(body: bytes) -> str:
    """Vault's own reasons, as one line. It is the authenticated Vault that speaks."""
    said = (json_object(body) or {}).get("errors")
    if not isinstance(said, list):
        return ""
    text = "; ".join(item.strip() for item in said if isinstance(item, str))
    return "".join(char if char.isprintable() else " " for char in text[:_MOST_WORDS]).strip()
