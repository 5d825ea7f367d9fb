"""One HTTP exchange with a named server: a connection of its own, bounded in time and size, no
redirect and no proxy of the environment, so that what is sent goes to nobody else.

What a failure means to the caller is the caller's to say; none is translated here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from identity.web_tls import web_context

if TYPE_CHECKING:
    from yarl import URL


class ReplyTooLarge(Exception):
    """The server sent more than was asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What came back, whole. It may hold tokens, so it has no repr that tells."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(
    method: str,
    url: URL,
    *,
    timeout_s: float,
    most_bytes: int,
    headers: Mapping[str, str],
    context: ssl.SSLContext | None = None,
    form: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Reply:
    """Send a request with a `form`, a JSON `body` or nothing. `context` is for https; without one
    the operating system's authorities count.

    Raises:
        TimeoutError: no whole answer in time.
        ReplyTooLarge: the body is larger than `most_bytes`.
        aiohttp.ClientError, OSError: no connection, or one that broke.
        ValueError: a header has characters that none can hold; its text may quote them.
    """
    if context is None and url.scheme == "https":
        context = await asyncio.to_thread(web_context)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context or True),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            trust_env=False,
        ) as session,
        session.request(
            method, url, data=form, json=body, headers=headers, allow_redirects=False
        ) as response,
    ):
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most_bytes:
                raise ReplyTooLarge
        return Reply(response.status, response.headers, bytes(content))
