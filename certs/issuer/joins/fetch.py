"""One bounded GET of a provider's document: no redirect, no proxy of the environment, deadlines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from certs.issuer.joins.key_set import MAX_BYTES
from certs.issuer.joins.rules import Provider
from identity.http_exchange import ReplyTooLarge, exchange
from identity.web_tls import web_context

_TIMEOUT_S: Final = 5.0
_MAX_BEARER_BYTES: Final = 16_384


class FetchFailed(Exception):
    """The document can't be had now; the message says why, for the operator."""


async def fetch(url: str, provider: Provider) -> bytes:
    """The document at `url`.

    Raises:
        FetchFailed: no answer in time, not status 200, or larger than a key set may be.
    """
    try:
        headers = {"Accept": "application/json"} | await _credential(url, provider)
        reply = await exchange(
            "GET",
            URL(url),
            timeout_s=_TIMEOUT_S,
            most_bytes=MAX_BYTES,
            headers=headers,
            context=await asyncio.to_thread(web_context, ca_pem=provider.ca_pem),
        )
    except TimeoutError:
        raise FetchFailed(f"{url} didn't answer in {_TIMEOUT_S:g} s") from None
    except ReplyTooLarge:
        raise FetchFailed(f"{url} answered with more than {MAX_BYTES} bytes") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchFailed(f"{url} can't be fetched: {type(error).__name__}") from error
    if reply.status != 200:
        raise FetchFailed(f"{url} answered status {reply.status}")
    return reply.body


async def _credential(url: str, provider: Provider) -> dict[str, str]:
    """The cluster's own token, for the address that the rule names and no other."""
    home = provider.key_set_url or provider.issuer
    if not provider.bearer_file or urlsplit(url).netloc != urlsplit(home).netloc:
        return {}
    return {"Authorization": f"Bearer {await asyncio.to_thread(_read, provider.bearer_file)}"}


def _read(path: str) -> str:
    # Read each time: a cluster replaces the token of a pod every hour or so.
    with Path(path).open(encoding="ascii") as file:
        return file.read(_MAX_BEARER_BYTES).strip()
