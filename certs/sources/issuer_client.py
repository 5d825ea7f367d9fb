"""The client side of the issuer's HTTPS interface: one connection a call, bounded in time and size,
each answer mapped to what the caller can do about it.
"""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable

_MAX_REPLY_BYTES: Final = 131_072
_MAX_RETRY_AFTER_S: Final = 3_600.0
_JOIN_AGAIN: Final = (
    "make a new token with 'devwiz-gw issuer token' and put it where the old one was"
)

# What we say for each code. The issuer's own words are not shown: they may be anybody's.
_DENIALS: Final[Mapping[str, tuple[str, str]]] = {
    "token_invalid": ("the join token is not one of this issuer's", _JOIN_AGAIN),
    "token_expired": ("the join token has expired", _JOIN_AGAIN),
    "token_spent": ("the join token has been used", _JOIN_AGAIN),
    "names_refused": (
        "the issuer's policy doesn't give the names asked for",
        "correct the configured names, or make a token for them with 'devwiz-gw issuer token'",
    ),
    "invalid_csr": ("the issuer doesn't accept the signing request", "check both versions"),
    "malformed_request": ("the issuer doesn't understand the request", "check both versions"),
    "client_certificate_required": ("the issuer saw no client certificate", _JOIN_AGAIN),
    "client_certificate_expired": (
        "the issuer finds the client certificate expired",
        f"check both clocks; else {_JOIN_AGAIN}",
    ),
    "client_certificate_unknown": ("the issuer doesn't remember this identity", _JOIN_AGAIN),
    "generation_mismatch": (
        "this identity is in use in two places and has been locked",
        f"find the copy; then {_JOIN_AGAIN}",
    ),
    "instance_locked": (
        "this identity has been locked",
        f"see the issuer's audit file for the reason; then {_JOIN_AGAIN}",
    ),
}


class KeyRefused(SourceUnavailable):
    """The issuer has certified this very key: ask again with a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The checked shape of an answer to join or renew; what is in it is not checked yet."""

    chain_pem: bytes
    bundle_pem: bytes


class IssuerClient:
    """Calls one issuer. Holds no connection between calls.

    Every method raises `SourceUnavailable`, `SourceDenied` or `ReplyRejected`, naming the step.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = _checked(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    def __str__(self) -> str:
        return str(self._url)

    async def bundle(self, context: ssl.SSLContext) -> bytes:
        """The trust bundle, PEM."""
        return await self._call("trust", "GET", "v1/bundle.pem", context)

    async def join(self, context: ssl.SSLContext, *, token: str, csr_pem: bytes) -> Reply:
        """Spend a token. `context` must only connect to the issuer itself."""
        body = {"token": token, "csr_pem": csr_pem.decode()}
        return _reply("join", await self._call("join", "POST", "v1/join", context, body))

    async def renew(self, context: ssl.SSLContext, *, csr_pem: bytes) -> Reply:
        """Renew the identity that is loaded in `context`."""
        body = {"csr_pem": csr_pem.decode()}
        return _reply("renew", await self._call("renew", "POST", "v1/renew", context, body))

    async def _call(
        self,
        step: str,
        method: str,
        path: str,
        context: ssl.SSLContext,
        body: Mapping[str, str] | None = None,
    ) -> bytes:
        # No proxy from the environment, no redirect: the token goes to the pinned issuer only.
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=self._timeout, trust_env=False
                ) as session,
                session.request(
                    method, self._url / path, json=body, allow_redirects=False
                ) as response,
            ):
                content = await _bounded(step, response)
                if response.status == 200:
                    return content
                raise self._refusal(step, response, content)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"{step}: the issuer {self._url} didn't answer in {self._timeout.total:g} s"
            ) from error
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            raise _stranger(step, str(self._url), error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(step, error) from error

    def _unreachable(self, step: str, error: Exception) -> CertsError:
        alert = _tls_reason(error)
        if alert:
            return SourceUnavailable(
                f"{step}: TLS with the issuer {self._url} failed: {alert}",
                hint="it may have refused our certificate (expired, unknown authority); "
                "check both clocks",
            )
        return SourceUnavailable(
            f"{step}: the issuer {self._url} can't be reached",
            hint="is it running ('devwiz-gw issuer serve'), and is the url right?",
        )

    def _refusal(self, step: str, response: aiohttp.ClientResponse, content: bytes) -> CertsError:
        code = _code(content)
        if response.status == 429 or response.status >= 500:
            return SourceUnavailable(
                f"{step}: the issuer {self._url} can't answer now ({code or response.status})",
                retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
            )
        if code == "key_reused":
            return KeyRefused(f"{step}: the issuer has certified this key already (key_reused)")
        if code in _DENIALS:
            message, hint = _DENIALS[code]
            return SourceDenied(f"{step}: {message} ({code})", hint=hint)
        if code or response.status in (401, 403):
            return SourceDenied(
                f"{step}: the issuer {self._url} refuses ({code or response.status})"
            )
        return ReplyRejected(
            f"{step}: {self._url} answered status {response.status}, not as an issuer does",
            hint="check that the url is the issuer's",
        )


def _checked(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError as error:
        raise CertsError(f"issuer url {text!r} is not a URL") from error
    plain = not (url.query_string or url.fragment or url.user or url.password)
    if url.scheme != "https" or not url.host or url.path not in ("", "/") or not plain:
        raise CertsError(
            f"issuer url {text!r} is not usable", hint="expected 'https://HOST:PORT' and no path"
        )
    return url.origin()


async def _bounded(step: str, response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MAX_REPLY_BYTES:
            raise ReplyRejected(f"{step}: the reply is larger than {_MAX_REPLY_BYTES} bytes")
    return bytes(content)


def _reply(step: str, content: bytes) -> Reply:
    members = _object(content)
    if members is None:
        raise ReplyRejected(f"{step}: the reply is not a JSON object")
    texts: dict[str, str] = {}
    for name in ("chain_pem", "bundle_pem"):
        value = members.get(name)
        if not isinstance(value, str) or not value.isascii():
            raise ReplyRejected(f"{step}: the reply has no text member {name!r}")
        texts[name] = value
    return Reply(
        chain_pem=texts["chain_pem"].encode(),
        bundle_pem=texts["bundle_pem"].encode(),
    )


def _object(content: bytes) -> dict[str, Any] | None:
    """The JSON object, or None for anything else, also for one that has a member twice."""
    try:
        value = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _code(content: bytes) -> str:
    code = (_object(content) or {}).get("code")
    usable = isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum()
    return code[:40] if isinstance(code, str) and usable else ""


def _retry_after_s(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, _MAX_RETRY_AFTER_S) if math.isfinite(seconds) and seconds >= 0 else None


def _stranger(step: str, url: str, error: Exception) -> CertsError:
    cause = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    reason = getattr(cause, "verify_message", "") or (cause.args[-1] if cause.args else "")
    return SourceDenied(
        f"{step}: the server at {url} is not the issuer: {reason}",
        hint="nothing was sent to it; somebody may stand in between, or the issuer was made anew "
        "(then ca_pin must change)",
    )


def _tls_reason(error: BaseException | None) -> str:
    """The TLS alert or failure somewhere in an error's causes, in words."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return (error.reason or "handshake failed").replace("_", " ").lower()
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, ssl.SSLError) else error.__cause__
    return ""
