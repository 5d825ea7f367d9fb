"""The HTTP calls of token sources: one connection a call, bounded in time and size, to nobody but
the server that was named.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from identity.errors import TokenDenied, TokenUnavailable
from identity.http_exchange import ReplyTooLarge, exchange
from identity.retry_after import retry_after_s
from identity.strict_json import strict_value
from identity.web_tls import web_context

TIMEOUT_S: Final = 15.0
_MAX_REPLY_BYTES: Final = 256 * 1024
_MOST_WORDS: Final = 200
#: So many characters in a row are no accident; fewer tell too little of a secret.
_QUOTE: Final = 8
#: What is sent under these names is no secret, and helps in a message.
_NAMES: Final = frozenset(
    {
        "set",
        "key",
        "name",
        "description",
        "type",
        "algorithm",
        "email",
        "Org",
        "grant_type",
        "scope",
    }
    | {"audience", "resource", "client_id", "subject_token_type", "requested_token_type"}
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """What came back; it may hold tokens, so it has no repr that tells. `sent` are the texts that
    the server was sent: none of them may come back in a message.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None
    sent: tuple[str, ...] = ()

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.status in {408, 409, 425, 429} or self.status >= 500

    def json(self) -> dict[str, Any]:
        """The JSON object, or an empty one for anything else."""
        value = self.value()
        return value if isinstance(value, dict) else {}

    def value(self) -> object:
        """The JSON value, or None for anything else."""
        try:
            return strict_value(self.body)
        except ValueError:
            return None


class Caller:
    """Calls the server at `base`. Follows no redirect and no proxy of the environment, so that
    what is sent goes to nobody else.

    Args:
        what: what messages call the server, like "the token endpoint".
        ca_file: authorities of its certificate, PEM; the operating system's when None.
        most_bytes: the longest answer that is taken.

    Raises:
        TokenDenied: `base` is neither https nor an http address of this machine.
    """

    def __init__(
        self,
        base: str,
        *,
        what: str,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = _MAX_REPLY_BYTES,
    ) -> None:
        try:
            self._base = URL(base)
            self._name = f"{what} {self._base.origin()}"
        except ValueError:
            raise TokenDenied(f"the address of {what} is none", hint="write https://HOST") from None
        self._ca_file = ca_file
        self._most_bytes = most_bytes
        self._timeout_s = timeout_s
        if self._base.scheme != "https" and not is_local(self._base):
            raise TokenDenied(
                f"{self} is not https, and not on this machine",
                hint="tokens are sent in plaintext to a loopback address only",
            )

    def __str__(self) -> str:
        return self._name

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send a request with a `form`, a JSON `body` or nothing, to `path` below the base.

        Raises:
            TokenUnavailable: no whole answer in time.
            TokenDenied: somebody else answers, or the answer is too large.
        """
        url = self._base if not path else URL(str(self._base).rstrip("/") + path, encoded=True)
        context = await self._context()
        try:
            reply = await exchange(
                method,
                url.update_query(query) if query else url,
                timeout_s=self._timeout_s,
                most_bytes=self._most_bytes,
                headers={"Accept": "application/json", **(headers or {})},
                context=context,
                form=form,
                body=body,
            )
        except TimeoutError as error:
            raise TokenUnavailable(f"{self} didn't answer in {self._timeout_s:g} s") from error
        except ReplyTooLarge:
            raise TokenDenied(
                f"the answer of {self} is larger than {self._most_bytes} bytes"
            ) from None
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            raise TokenDenied(
                f"the certificate of {self} is refused",
                hint="is this the right server? ca_file names other authorities",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TokenUnavailable(
                f"{self} can't be reached", hint="is the network there, and the url right?"
            ) from error
        except ValueError:
            # Not chained: the value is quoted there.
            raise TokenDenied(
                f"{self} can't be asked: what is sent holds characters that a header can't"
            ) from None
        return Answer(
            status=reply.status,
            body=reply.body,
            retry_after_s=retry_after_s(reply.headers.get("Retry-After", "")),
            sent=tuple(_texts([dict(headers or {}), dict(form or {}), dict(body or {})])),
        )

    def refused(self, answer: Answer, *, hint: str = "") -> TokenUnavailable | TokenDenied:
        """The error for an answer that is no success; a word of the server's is in it."""
        said = error_word(answer)
        text = f"{self} answered {answer.status}" + (f": {said}" if said else "")
        if answer.is_temporary:
            return TokenUnavailable(text, retry_after_s=answer.retry_after_s)
        return TokenDenied(text, hint=hint)

    async def _context(self) -> ssl.SSLContext | None:
        if self._base.scheme != "https":
            return None
        try:
            return await asyncio.to_thread(web_context, ca_file=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TokenDenied(f"{self._ca_file} can't be used as authorities") from error


def is_local(url: URL) -> bool:
    """Whether plaintext stays on this machine."""
    if url.scheme != "http":
        return False
    try:
        return ip_address(url.host or "").is_loopback
    except ValueError:
        return url.host == "localhost"


def error_word(answer: Answer) -> str:
    """What the server says of an error: its code and a sentence, cut and printable.

    OAuth (RFC 6749 section 5.2) says `error`; Supabase `error_code` or, by its later API, `code`.
    """
    told = answer.json()
    code = told.get("error_code") or told.get("error") or told.get("code")
    words = told.get("error_description") or told.get("msg") or told.get("message")
    words = words or told.get("detail")
    parts = [part for part in (code, words) if isinstance(part, str) and part]
    text = "".join(char if char.isprintable() else " " for char in ": ".join(parts))
    return _without(text[: 2 * _MOST_WORDS], answer.sent)[:_MOST_WORDS]


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value, but those that only name something."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _NAMES:
                yield from _texts(item)


def _without(text: str, sent: Iterable[str]) -> str:
    """The text, with three dots for each part that quotes what was sent."""
    texts = tuple(sent)
    quoted = [False] * len(text)
    for at in range(len(text) - _QUOTE + 1):
        if any(text[at : at + _QUOTE] in item for item in texts):
            quoted[at : at + _QUOTE] = [True] * _QUOTE
    parts = groupby(zip(quoted, text, strict=True), key=itemgetter(0))
    return "".join("…" if hidden else "".join(char for _, char in part) for hidden, part in parts)
