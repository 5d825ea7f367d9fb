"""HTTP to a route's local listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

from aiohttp import (
    BaseConnector,
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
    UnixConnector,
)
from yarl import URL

from gateway.bridge.messages import MOST_BYTES
from gateway.clients.access import Access
from identity.fault import Fault

_CONNECT_S: Final = 10
_MOST_REDIRECTS: Final = 3
_SAME_METHOD: Final = frozenset({307, 308})


class LinkDown(Exception):
    """No reply came, or not all of it; the text says why, for people."""


class Link:
    """Asks one address. Where nobody listens there, `find` is asked once for where it is now."""

    def __init__(self, access: Access, find: Callable[[], Awaitable[Access]]) -> None:
        self._find = find
        self._use(access)

    def _use(self, access: Access) -> None:
        self._access = access
        self._url = URL(access.url, encoded=True)
        connector: BaseConnector
        # A connection that was idle may be closed just when a message is sent, and nobody could say
        # whether it arrived. A new one costs nothing on this machine.
        if access.socket:
            connector = UnixConnector(access.socket, force_close=True, limit=0)
        else:
            connector = TCPConnector(force_close=True, limit=0)
        self._http = ClientSession(
            connector=connector,
            timeout=ClientTimeout(total=None, sock_connect=_CONNECT_S),
            headers={"Accept-Encoding": "identity", **access.headers},
            skip_auto_headers=("User-Agent",),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    @asynccontextmanager
    async def ask(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None, *, to: str = ""
    ) -> AsyncIterator[ClientResponse]:
        """One request, `to` another reference than the route's own path; closing it cuts what is
        left of the reply. Raises `LinkDown`.
        """
        reply = await self._reply(method, headers, body, to)
        try:
            yield reply
        finally:
            reply.close()

    async def _reply(
        self, method: str, headers: Mapping[str, str], body: bytes | None, to: str
    ) -> ClientResponse:
        try:
            return await self._sent(method, headers, body, to)
        except ClientConnectorError:
            # Nothing was sent, so it can be tried again.
            await self._move()
        except (ClientError, OSError, TimeoutError) as error:
            raise LinkDown(_why(error)) from error
        try:
            return await self._sent(method, headers, body, to)
        except (ClientError, OSError, TimeoutError) as error:
            raise LinkDown(_why(error)) from error

    async def _move(self) -> None:
        try:
            access = await self._find()
        except Fault as error:
            raise LinkDown(str(error)) from error
        if access != self._access:
            old = self._http
            self._use(access)
            await old.close()

    async def _sent(
        self, method: str, headers: Mapping[str, str], body: bytes | None, to: str
    ) -> ClientResponse:
        url = self._within(to) if to else self._url
        for _ in range(_MOST_REDIRECTS):
            reply = await self._http.request(
                method, url, data=body, headers=headers, allow_redirects=False
            )
            location = reply.headers.get("Location", "")
            if reply.status not in _SAME_METHOD or not location:
                return reply
            reply.close()
            url = self._within(location)
        raise ClientConnectionError("too many redirections")

    def _within(self, reference: str) -> URL:
        """A reference to something at the same origin: nothing else is this bridge's to ask."""
        try:
            url = self._url.join(URL(reference, encoded=True))
            if url.origin() == self._url.origin():
                return url
        except ValueError:
            pass
        raise ClientConnectionError("the remote side leads to another server")


async def whole(reply: ClientResponse) -> bytes:
    """The body of a reply. Raises `LinkDown`, also where it is too large."""
    parts, size = [], 0
    async for part in chunks(reply):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise LinkDown(f"the answer has more than {MOST_BYTES} bytes")
    return b"".join(parts)


async def chunks(reply: ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `LinkDown` where it is cut off."""
    try:
        async for part in reply.content.iter_any():
            yield part
    except (ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise LinkDown(_why(error)) from error


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
