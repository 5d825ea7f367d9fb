"""The keys of identity providers: fetched when needed, kept, and fetched again when a token shows a
key that isn't among them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from certs.issuer.joins.fetch import FetchFailed, fetch
from certs.issuer.joins.key_set import InvalidKeySet, KeySet
from certs.issuer.joins.rules import Provider, is_fetchable
from certs.issuer.refusal import Code, Refused
from certs.issuer.strict_json import json_object

#: A key that the provider withdrew is believed for this long at most.
FRESH_S: Final = 3_600.0
#: While the provider is away its keys of before are good for this long.
STALE_S: Final = 24 * 3_600.0
#: However many tokens show unknown keys, the provider is asked no more often.
MIN_INTERVAL_S: Final = 30.0
RETRY_S: Final = 5.0

_MAX_PROVIDERS: Final = 256

_log = logging.getLogger(__name__)

Fetch = Callable[[str, Provider], Awaitable[bytes]]


class Providers:
    """The key sets of all providers that rules name. Used in one event loop."""

    def __init__(
        self, *, fetch: Fetch = fetch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._known: dict[Provider, _Kept] = {}

    async def keys(self, provider: Provider, key_id: str) -> KeySet:
        """The provider's keys, with `key_id` among them if the provider has it.

        Raises:
            Refused: `provider_unavailable`: they can't be fetched, or were just now.
        """
        if provider.key_set:
            return KeySet.parse(provider.key_set.encode())
        if provider not in self._known:
            if len(self._known) >= _MAX_PROVIDERS:
                # Of rules that are gone: those still in use are fetched again.
                self._known.clear()
            self._known[provider] = _Kept(provider, self._fetch)
        return await self._known[provider].keys(key_id, self._monotonic)


class _Kept:
    """One provider's keys, and when they may be asked for again."""

    def __init__(self, provider: Provider, fetch: Fetch) -> None:
        self._provider = provider
        self._fetch = fetch
        self._set = KeySet({})
        self._fetched_at = float("-inf")
        self._next_fetch = float("-inf")
        self._lock = asyncio.Lock()

    async def keys(self, key_id: str, monotonic: Callable[[], float]) -> KeySet:
        if not self._has(key_id, monotonic() - FRESH_S):
            async with self._lock:
                # Somebody else may have fetched them while we waited.
                if not self._has(key_id, monotonic() - FRESH_S):
                    return await self._renewed(key_id, monotonic)
        return self._set

    async def _renewed(self, key_id: str, monotonic: Callable[[], float]) -> KeySet:
        if monotonic() >= self._next_fetch:
            try:
                self._set = await _fetched(self._provider, self._fetch)
            except FetchFailed as error:
                _log.warning("the keys of %s can't be had: %s", self._provider.issuer, error)
                self._next_fetch = monotonic() + RETRY_S
            else:
                self._fetched_at = monotonic()
                self._next_fetch = monotonic() + MIN_INTERVAL_S
                return self._set
        if self._has(key_id, monotonic() - STALE_S):
            return self._set
        raise Refused(
            Code.PROVIDER_UNAVAILABLE,
            "the identity provider's keys can't be had now, or were asked for just now",
            hint="try again; if it stays, the issuer's log says why",
            retry_after_s=max(1.0, self._next_fetch - monotonic()),
        )

    def _has(self, key_id: str, since: float) -> bool:
        return self._fetched_at > since and key_id in self._set.keys


async def _fetched(provider: Provider, fetch: Fetch) -> KeySet:
    url = provider.key_set_url or await _discovered(provider, fetch)
    try:
        return KeySet.parse(await fetch(url, provider))
    except InvalidKeySet as error:
        raise FetchFailed(f"{url} is not a key set: {error}") from error


async def _discovered(provider: Provider, fetch: Fetch) -> str:
    """Where the discovery document (OpenID Connect Discovery §4) says that the keys are."""
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    document = json_object(await fetch(address, provider)) or {}
    if document.get("issuer") != provider.issuer:
        raise FetchFailed(f"{address} is not this issuer's document (issuer)")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not is_fetchable(url):
        raise FetchFailed(f"{address} names no usable place of the keys (jwks_uri)")
    host, home = _host(url), _host(provider.issuer)
    if host != home and host not in provider.key_hosts:
        raise FetchFailed(f"{address} leads to the host {host}, which the rule doesn't allow")
    return url


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
