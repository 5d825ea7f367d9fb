"""The client side of a step-ca's HTTPS interface (its `api` package, path prefix /1.0)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from certs import clock_skew
from certs.errors import CertsError, ReplyRejected, SourceDenied
from certs.sources.https_call import Answer, Far, HttpsCaller, json_object
from certs.svid import MAX_CHAIN_LENGTH

_STEP_CA: Final = Far(
    name="the step-ca",
    if_unreachable="is it running, and is the url right?",
    if_stranger="no token was sent to it; check url and fingerprint, and that the host of the url "
    "is among the CA's dnsNames; else somebody stands in between",
)
_MOST_WORDS: Final = 200
_MOST_AUTHORITIES: Final = 16


class StepCaClient:
    """Calls one step-ca. Holds no connection between calls.

    Every method raises `SourceUnavailable`, `SourceDenied` or `ReplyRejected`, naming the step.
    """

    def __init__(self, url: str, *, timeout_s: float, now: Callable[[], datetime]) -> None:
        self._caller = HttpsCaller(url, _STEP_CA, timeout_s=timeout_s, now=now)

    def __str__(self) -> str:
        return str(self._caller)

    @property
    def skew_s(self) -> float | None:
        """See `HttpsCaller`."""
        return self._caller.skew_s

    def audience(self, operation: str) -> str:
        """What the `aud` of a token for `operation` has to be."""
        return f"{self}/1.0/{operation}"

    async def root(self, context: ssl.SSLContext, fingerprint: str) -> bytes:
        """The root of that fingerprint, PEM, unchecked."""
        answer = await self._caller.call("trust", "GET", f"1.0/root/{fingerprint}", context)
        if answer.status == 404:
            raise SourceDenied(
                f"trust: the step-ca {self} has no root with this fingerprint",
                hint="nothing was sent to it; compare with: step certificate fingerprint "
                "root_ca.crt",
            )
        return _text("trust", self._good("trust", answer, 200), "ca")

    async def roots(self, context: ssl.SSLContext) -> bytes:
        """All roots of the CA, PEM."""
        answer = await self._caller.call("trust", "GET", "1.0/roots", context)
        return _texts("trust", self._good("trust", answer, 200, 201), "crts", _MOST_AUTHORITIES)

    async def provisioners(self, context: ssl.SSLContext) -> list[Mapping[str, Any]]:
        """What the CA says of those that may have certificates signed."""
        answer = await self._caller.call("sign", "GET", "1.0/provisioners", context)
        found = self._good("sign", answer, 200).get("provisioners")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    async def certify(
        self,
        operation: str,
        context: ssl.SSLContext,
        *,
        body: Mapping[str, str] | None = None,
        token: str = "",
    ) -> bytes:
        """`sign`, `rekey` or `renew`: a chain, PEM, leaf first, unchecked."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        answer = await self._caller.call(
            operation, "POST", f"1.0/{operation}", context, body=body, headers=headers
        )
        members = self._good(operation, answer, 201)
        return _texts(operation, members, "certChain", MAX_CHAIN_LENGTH)

    def _good(self, step: str, answer: Answer, *expected: int) -> dict[str, Any]:
        if answer.status not in expected:
            raise self._refusal(step, answer)
        members = json_object(answer.body)
        if members is None:
            raise ReplyRejected(f"{step}: the reply is not a JSON object")
        return members

    def _refusal(self, step: str, answer: Answer) -> CertsError:
        if answer.status in (400, 401, 403):
            said = _words(answer.body)
            remarks = [clock_skew.remark(answer.skew_s), "see the CA's log for the reason"]
            return SourceDenied(
                f"{step}: the step-ca {self} refuses ({answer.status})" + (said and f": {said}"),
                hint="; ".join(remark for remark in remarks if remark),
            )
        if answer.is_temporary:
            return self._caller.temporary(step, answer)
        return self._caller.not_understood(step, answer)


def _words(body: bytes) -> str:
    """The CA's own reason, as one line. It is the pinned CA that speaks."""
    said = (json_object(body) or {}).get("message")
    if not isinstance(said, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in said[:_MOST_WORDS]).strip()


def _text(step: str, members: Mapping[str, Any], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise ReplyRejected(f"{step}: the reply has no text member {name!r}")
    return value.encode()


def _texts(step: str, members: Mapping[str, Any], name: str, most: int) -> bytes:
    values = members.get(name)
    if not isinstance(values, list) or not 0 < len(values) <= most:
        raise ReplyRejected(f"{step}: the reply has no list {name!r} of 1 to {most} certificates")
    return b"\n".join(_text(step, {name: value}, name) for value in values)
