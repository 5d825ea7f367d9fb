"""What google-auth sends its requests through: HTTPS to the allowed hosts only, without redirects
or proxies, bounded in time and size. Blocking; called in a thread.

google-auth doesn't check where a credential file sends tokens to, so this does, for every request.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from google.auth import exceptions, transport

from identity.web_tls import web_context

_MAX_REPLY_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 16 * 1024
_MOST_WORDS: Final = 300
#: JWTs and Google's own tokens.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|ya29\.\S+")


class HostRefused(Exception):
    """A request would have gone to a host that is not allowed."""


@dataclass(slots=True)
class Reply(transport.Response):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(slots=True, kw_only=True)
class PinnedTransport(transport.Request):
    """A `google.auth.transport.Request`.

    Attributes:
        allowed_hosts: "HOST" or "HOST:PORT"; the port is 443 unless given.
        ca_file: authorities of their certificates, PEM; the operating system's when None.
        last: the last answer, for what google-auth's errors leave out.
    """

    allowed_hosts: frozenset[str]
    ca_file: Path | None
    timeout_s: float
    last: Reply | None = field(default=None, init=False)

    def __call__(  # noqa: PLR0917 - the interface of google-auth
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        cert: tuple[str, str] | None = None,
        **_: Any,
    ) -> Reply:
        """See `google.auth.transport.Request`; `cert` is the paths of chain and key for mTLS.

        Raises:
            HostRefused: nothing was sent.
            TransportError: no answer.
        """
        self.last = None
        host, target = self._checked(url)
        try:
            connection = http.client.HTTPSConnection(
                host, timeout=timeout or self.timeout_s, context=self._context(cert)
            )
            try:
                connection.request(method, target, body, dict(headers or {}))
                self.last = self._read(connection.getresponse())
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise exceptions.TransportError(f"{host}: {_reason(error)}") from error
        return self.last

    def _checked(self, url: str) -> tuple[str, str]:
        try:
            parts = urlsplit(url)
            host = f"{parts.hostname}:{parts.port or 443}"
        except ValueError:
            raise HostRefused("an address that can't be read") from None
        allowed = {name if ":" in name else f"{name}:443" for name in self.allowed_hosts}
        if parts.scheme != "https" or "@" in parts.netloc or host not in allowed:
            shown = f"{parts.scheme}://{host}"[:200]
            raise HostRefused("".join(char for char in shown if char.isprintable()))
        query = f"?{parts.query}" if parts.query else ""
        return host, (parts.path or "/") + query

    def _context(self, cert: tuple[str, str] | None) -> ssl.SSLContext:
        context = web_context(ca_file=self.ca_file)
        if cert is not None:
            context.load_cert_chain(*cert)
        return context

    def _read(self, response: http.client.HTTPResponse) -> Reply:
        deadline, data = time.monotonic() + self.timeout_s, b""
        while chunk := response.read1(_READ_BYTES):
            data += chunk
            if len(data) > _MAX_REPLY_BYTES:
                raise http.client.HTTPException("the reply is larger than 64 KiB")
            if time.monotonic() > deadline:
                raise TimeoutError("no whole reply in time")
        return Reply(response.status, dict(response.headers.items()), data)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'handshake').replace('_', ' ').lower()}"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def told_by(error: Exception) -> str:
    """What an error of google-auth says, without tokens and cut short."""
    told = error.args[0] if error.args and isinstance(error.args[0], str) else type(error).__name__
    text = "".join(char if char.isprintable() else " " for char in _TOKEN.sub("…", told))
    return text[:_MOST_WORDS]
