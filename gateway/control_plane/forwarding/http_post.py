"""One POST of records over HTTP, and what its answer means for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from gateway.control_plane.forwarding.record import Away, Rejected, Taken, Verdict
from gateway.control_plane.snapshots import Attached
from gateway.telemetry.otlp import TIMEOUT, beginning, retry_after_s
from identity.web_tls import web_context

#: Answers about the address, the key or the moment, which say nothing of the records.
_LATER: Final = frozenset((401, 402, 403, 404, 405, 407, 408, 421, 425, 429))
_CONFLICT: Final = 409

AskAttached = Callable[[], Attached]


class Poster:
    """POSTs JSON to one address with headers that may change under way. Use from one task."""

    def __init__(
        self, url: str, *, attached: AskAttached, version: str, ca_file: Path | None
    ) -> None:
        self._url = url
        self._attached = attached
        self._agent = f"devwiz-gw/{version}"
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes) -> tuple[Verdict, bytes]:
        """What the answer means, and its body. Failures of the network are answers, too."""
        attached = self._attached()
        if attached.unavailable:
            return Away(attached.unavailable, is_here=True), b""
        own = {"Content-Type": "application/json"}
        headers = {**dict(attached.headers), **own}
        try:
            session = await self._opened()
            async with session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as reply:
                said = await beginning(reply.content)
                asked = retry_after_s(reply.headers.get("Retry-After", ""), datetime.now(UTC))
                return meaning(reply.status, asked), said
        except TimeoutError:
            return Away("the server didn't answer in time"), b""
        except (aiohttp.ClientError, OSError) as error:
            # Neither text nor URL: what they quote may hold a header.
            why = (getattr(error, "strerror", None) or type(error).__name__).lower()
            return Away(f"the server can't be reached: {why}"), b""

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = await asyncio.to_thread(web_context, ca_file=self._ca_file)
            self._session = aiohttp.ClientSession(
                timeout=TIMEOUT,
                trust_env=False,
                headers={"User-Agent": self._agent},
                connector=aiohttp.TCPConnector(ssl=context),
            )
        return self._session


def meaning(status: int, asked_s: float | None) -> Verdict:
    """What a status says of the records."""
    if 200 <= status < 300:
        return Taken()
    why = f"the server answered {status}"
    if 400 <= status < 500 and status not in _LATER:
        return Rejected(why, has_one=status == _CONFLICT)
    return Away(why, asked_s)
