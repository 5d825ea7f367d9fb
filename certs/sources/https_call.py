"""The HTTPS calls of identity sources: one connection a call, bounded in time and size, each
failure mapped to what the caller can do about it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from yarl import URL

from certs.clock_skew import ahead_s
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from identity.http_exchange import ReplyTooLarge, exchange
from identity.retry_after import retry_after_s
from identity.strict_json import strict_value

_MAX_REPLY_BYTES: Final = 131_072
_MAX_TAG: Final = 256


class NoAnswer(SourceUnavailable):
    """There is no connection, or it ended without an answer. So ends TLS 1.3, too, where the server
    refuses our certificate: its alert comes late, and is often lost.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """What messages say of the server that is called.

    Attributes:
        name: what it is, like "the issuer".
        if_unreachable: the hint when nobody answers.
        if_stranger: the hint when somebody else does.
    """

    name: str
    if_unreachable: str
    if_stranger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. This machine's clock is `skew_s` ahead of the server's, and `tag` is the
    server's name for this version of the body, where it told them.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None
    skew_s: float | None = None
    tag: str = ""

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.status == 429 or self.status >= 500


class HttpsCaller:
    """Calls one origin. Holds no connection between calls; follows no redirect and no proxy of the
    environment, so that a token goes to nobody else.

    Attributes:
        skew_s: by how much this machine's clock was ahead of the server's at its last answer; None
            before the first one that told the time.

    Raises:
        CertsError: `url` is not an https origin.
    """

    def __init__(
        self,
        url: str,
        far: Far,
        *,
        timeout_s: float,
        now: Callable[[], datetime],
        max_reply_bytes: int = _MAX_REPLY_BYTES,
    ) -> None:
        self.skew_s: float | None = None
        self._now = now
        self._max_reply_bytes = max_reply_bytes
        self._url = _origin(url, far.name)
        self._far = far
        self._timeout_s = timeout_s

    def __str__(self) -> str:
        return str(self._url)

    async def call(
        self,
        step: str,
        method: str,
        path: str,
        context: ssl.SSLContext,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with a JSON `body`, or none. `step` begins every message.

        Raises:
            SourceUnavailable: not in time; `NoAnswer` where the connection failed.
            SourceDenied: the server is not the one that `context` expects, or a header can't be
                sent.
            ReplyRejected: the answer is too large.
        """
        sent = self._now()
        try:
            reply = await exchange(
                method,
                (self._url / path).update_query(query or {}),
                timeout_s=self._timeout_s,
                most_bytes=self._max_reply_bytes,
                headers=headers or {},
                context=context,
                body=body,
            )
        except TimeoutError as error:
            raise SourceUnavailable(
                f"{step}: {self._far.name} {self._url} didn't answer in {self._timeout_s:g} s"
            ) from error
        except ReplyTooLarge:
            raise ReplyRejected(
                f"{step}: the reply is larger than {self._max_reply_bytes} bytes"
            ) from None
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            raise self._stranger(step, error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(step, error) from error
        except ValueError:
            # Its text is not passed on: it is about what we would have sent.
            raise SourceDenied(
                f"{step}: nothing was sent to {self._far.name} {self._url}: "
                "a credential has characters that no header can hold",
                hint="is the credential one line, and nothing but itself?",
            ) from None
        return Answer(
            status=reply.status,
            body=reply.body,
            retry_after_s=retry_after_s(reply.headers.get("Retry-After", "")),
            skew_s=self._skew_s(reply.headers.get("Date", ""), sent),
            tag=_tag(reply.headers.get("ETag", "")),
        )

    def _skew_s(self, text: str, sent: datetime) -> float | None:
        date = _date(text)
        if date is None:
            return None
        self.skew_s = ahead_s(date, sent=sent, received=self._now())
        return self.skew_s

    def temporary(self, step: str, answer: Answer, reason: str = "") -> SourceUnavailable:
        """The error for an answer that `is_temporary`."""
        return SourceUnavailable(
            f"{step}: {self._far.name} {self._url} can't answer now ({reason or answer.status})",
            retry_after_s=answer.retry_after_s,
        )

    def not_understood(self, step: str, answer: Answer) -> ReplyRejected:
        """The error for a status that this kind of server doesn't give."""
        what = self._far.name.removeprefix("the ")
        return ReplyRejected(
            f"{step}: {self._url} answered status {answer.status}, "
            f"not as {_article(what)} {what} does",
            hint=f"check that the url is {self._far.name}'s",
        )

    def _stranger(self, step: str, error: Exception) -> CertsError:
        cause = error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            cause = error.certificate_error
        reason = getattr(cause, "verify_message", "") or (cause.args[-1] if cause.args else "")
        return SourceDenied(
            f"{step}: the server at {self._url} is not {self._far.name}: {reason}",
            hint=self._far.if_stranger,
        )

    def _unreachable(self, step: str, error: Exception) -> CertsError:
        alert = _tls_reason(error)
        if alert:
            return NoAnswer(
                f"{step}: TLS with {self._far.name} {self._url} failed: {alert}",
                hint="it may have refused our certificate (expired, unknown authority); "
                "check both clocks",
            )
        return NoAnswer(
            f"{step}: {self._far.name} {self._url} can't be reached", hint=self._far.if_unreachable
        )


def json_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object, or None for anything else, also for what `strict_value` refuses."""
    try:
        value = strict_value(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _origin(text: str, name: str) -> URL:
    what = name.removeprefix("the ")
    try:
        url = URL(text)
    except ValueError as error:
        raise CertsError(
            f"{what} url {text!r} is not a URL", hint="expected 'https://HOST:PORT'"
        ) from error
    plain = not (url.query_string or url.fragment or url.user or url.password)
    if url.scheme != "https" or not url.host or url.path not in ("", "/") or not plain:
        raise CertsError(
            f"{what} url {text!r} is not usable", hint="expected 'https://HOST:PORT' and no path"
        )
    return url.origin()


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiouAEIO" else "a"


def _tag(text: str) -> str:
    """An entity tag that can be sent back (RFC 9110 §8.8.3); "" for another one."""
    return text if text.isascii() and text.isprintable() and len(text) <= _MAX_TAG else ""


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _tls_reason(error: BaseException | None) -> str:
    """The TLS alert or failure somewhere in an error's causes, in words."""
    while error is not None:
        # Some of aiohttp's errors are an `SSLError` by class alone, and hold the real one.
        error = getattr(error, "os_error", error)
        if isinstance(error, ssl.SSLError):
            return (error.reason or "handshake failed").replace("_", " ").lower()
        error = error.__cause__
    return ""
