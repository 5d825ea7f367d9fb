"""The client side of the issuer's HTTPS interface: each answer mapped to what the caller can do
about it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from certs.errors import (
    CertsError,
    IdentityLocked,
    InvalidCertificate,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.sources import bundle_document
from certs.sources.bundle_document import BundleDocument
from certs.sources.https_call import Answer, Far, HttpsCaller, json_object
from certs.sources.issuer_denials import COPIED, DENIALS, LOCKS

# Of a challenge or a join state: both are below 1 KiB.
_MAX_CHALLENGE: Final = 4_096
ISSUER: Final = Far(
    name="the issuer",
    if_unreachable="is it running ('devwiz-gw issuer serve'), and is the url right?",
    if_stranger="nothing was sent to it; somebody may stand in between, or the issuer's authority "
    "was rotated or made anew (then ca_pin must change: 'devwiz-gw issuer token' prints it)",
)
# For how long the issuer may keep us waiting for another version of the bundle.
_WAIT_S: Final = 20
_MAX_SHOWN: Final = 200


class KeyRefused(SourceUnavailable):
    """The issuer has certified this very key: ask again with a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """When the issuer would like the certificate to be renewed."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The checked shape of an answer to join or renew; what is in it is not checked yet."""

    chain_pem: bytes
    bundle_pem: bytes
    bundle_sequence: int | None = None
    advice: Advice | None = None
    join_state: str = ""


class IssuerClient:
    """Calls one issuer. Holds no connection between calls.

    Every method raises `SourceUnavailable`, `SourceDenied` or `ReplyRejected`, naming the step.
    """

    def __init__(self, url: str, *, timeout_s: float, now: Callable[[], datetime]) -> None:
        self._caller = HttpsCaller(url, ISSUER, timeout_s=timeout_s, now=now)
        self._waiting_caller = HttpsCaller(url, ISSUER, timeout_s=timeout_s + _WAIT_S, now=now)

    def __str__(self) -> str:
        return str(self._caller)

    @property
    def skew_s(self) -> float | None:
        """See `HttpsCaller`."""
        return self._caller.skew_s

    async def bundle(self, context: ssl.SSLContext) -> bytes:
        """The trust bundle, PEM."""
        return await self._call("trust", "GET", "v1/bundle.pem", context)

    async def document(self, context: ssl.SSLContext, *, after: int | None) -> BundleDocument:
        """The trust bundle with its sequence; with `after`, when there is another one than that
        one, or after some time.
        """
        step, path = "follow", "v1/bundle"
        if after is None:
            answer = await self._caller.call(step, "GET", path, context)
        else:
            query = {"after": str(after), "wait": str(_WAIT_S)}
            answer = await self._waiting_caller.call(step, "GET", path, context, query=query)
        if answer.status != 200:
            raise self._refusal(step, answer)
        try:
            return bundle_document.read(json_object(answer.body) or {})
        except InvalidCertificate as error:
            raise ReplyRejected(f"{step}: {error}", hint=error.hint) from error

    async def renew_window(self, context: ssl.SSLContext) -> Advice:
        """When to renew the identity that is loaded in `context`."""
        content = await self._call("renew-window", "GET", "v1/renew-window", context)
        advice = _advice(json_object(content) or {})
        if advice is None:
            raise ReplyRejected("renew-window: the reply holds no window")
        return advice

    async def challenge(
        self, context: ssl.SSLContext, *, step: str = "join", purpose: str, subject: str
    ) -> str:
        """A challenge to prove that we hold a key."""
        body = {"purpose": purpose, "subject": subject}
        content = await self._call(step, "POST", "v1/challenge", context, body)
        challenge = (json_object(content) or {}).get("challenge")
        if not _is_jws(challenge) or not challenge:
            raise ReplyRejected(f"{step}: the reply has no challenge")
        return challenge

    async def join(
        self, context: ssl.SSLContext, *, evidence: Mapping[str, str], csr_pem: bytes
    ) -> Reply:
        """Join by what proves us. `context` must only connect to the issuer itself."""
        body = {**evidence, "csr_pem": csr_pem.decode()}
        return _reply("join", await self._call("join", "POST", "v1/join", context, body))

    async def renew(self, context: ssl.SSLContext, *, csr_pem: bytes) -> Reply:
        """Renew the identity that is loaded in `context`."""
        body = {"csr_pem": csr_pem.decode()}
        return _reply("renew", await self._call("renew", "POST", "v1/renew", context, body))

    async def renew_ended(
        self, context: ssl.SSLContext, *, certificate_pem: bytes, proof: str, csr_pem: bytes
    ) -> Reply:
        """Renew an identity that may have ended, by the proof of its key."""
        body = {
            "certificate_pem": certificate_pem.decode(),
            "proof": proof,
            "csr_pem": csr_pem.decode(),
        }
        return _reply("renew", await self._call("renew", "POST", "v1/renew-ended", context, body))

    async def _call(
        self,
        step: str,
        method: str,
        path: str,
        context: ssl.SSLContext,
        body: Mapping[str, str] | None = None,
    ) -> bytes:
        answer = await self._caller.call(step, method, path, context, body=body)
        if answer.status == 200:
            return answer.body
        raise self._refusal(step, answer)

    def _refusal(self, step: str, answer: Answer) -> CertsError:
        code = _code(answer.body)
        if answer.is_temporary:
            return self._caller.temporary(step, answer, code)
        if code == "key_reused":
            return KeyRefused(f"{step}: the issuer has certified this key already (key_reused)")
        if code in LOCKS:
            return _locked(step, code, json_object(answer.body) or {})
        if code in DENIALS:
            message, hint = DENIALS[code]
            return SourceDenied(f"{step}: {message} ({code})", hint=hint)
        if code or answer.status in (401, 403):
            return SourceDenied(f"{step}: the issuer {self} refuses ({code or answer.status})")
        return self._caller.not_understood(step, answer)


def _reply(step: str, content: bytes) -> Reply:
    members = json_object(content)
    if members is None:
        raise ReplyRejected(f"{step}: the reply is not a JSON object")
    texts: dict[str, str] = {}
    for name in ("chain_pem", "bundle_pem"):
        value = members.get(name)
        if not isinstance(value, str) or not value.isascii():
            raise ReplyRejected(f"{step}: the reply has no text member {name!r}")
        texts[name] = value
    state = members.get("join_state", "")
    if not _is_jws(state):
        raise ReplyRejected(f"{step}: the reply's join_state is not a text of usual length")
    return Reply(
        join_state=state,
        chain_pem=texts["chain_pem"].encode(),
        bundle_pem=texts["bundle_pem"].encode(),
        bundle_sequence=_sequence(members.get("bundle_sequence")),
        advice=_advice(members),
    )


def _is_jws(value: object) -> TypeGuard[str]:
    """Whether it may be a signed text, or "": more is for the issuer to judge, which made it."""
    return isinstance(value, str) and value.isascii() and len(value) <= _MAX_CHALLENGE


def _sequence(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _advice(members: dict[str, Any]) -> Advice | None:
    """The window in a reply; None where there is none that makes sense, which is no fault: we have
    a rule of our own.
    """
    window = members.get("renew_window")
    if not isinstance(window, dict):
        return None
    try:
        start, end = (_utc(window[name]) for name in ("start", "end"))
        return Advice(start=start, end=end) if start < end else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _utc(text: str) -> datetime:
    """A time with its zone, as one that can be reckoned with to the ends of the calendar."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("it names no zone")
    return time.astimezone(UTC)


def _code(content: bytes) -> str:
    code = (json_object(content) or {}).get("code")
    usable = isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum()
    return code[:40] if isinstance(code, str) and usable else ""


def _locked(step: str, code: str, members: Mapping[str, object]) -> IdentityLocked:
    # Here the issuer's words are shown: an operator wrote them for whoever is locked out, and the
    # connection was to nobody but the issuer.
    what, hint = LOCKS[code]
    message, until = _shown(members.get("lock_message")), _shown(members.get("lock_until"))
    return IdentityLocked(
        f"{step}: {what} ({code})"
        + (f": {message}" if message else "")
        + (f"; until {until}" if until else ""),
        hint=hint,
        is_revoked=code in COPIED or bool(members.get("lock_revokes")),
    )


def _shown(value: object) -> str:
    text = value.strip()[:_MAX_SHOWN] if isinstance(value, str) else ""
    return "".join(char if char.isprintable() else "?" for char in text)
