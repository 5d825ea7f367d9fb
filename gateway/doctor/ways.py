"""How doctor's requests reach an upstream: through the running gateway, or by its own hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.clients.access import PROOF_HEADER, access_to
from gateway.config.model import TcpAddress, UnixAddress
from gateway.doctor.exchange import exchange
from gateway.doctor.link import Link, Trust, connect, dial
from gateway.doctor.message import Missed, Reply, Request
from gateway.doctor.reach import Address

_HTTP_PORT: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ThroughGateway:
    """By a listener of the route, as callers go; `token` proves this one where that is asked."""

    listeners: Sequence[TcpAddress | UnixAddress]
    token: str
    deadline_s: float

    async def __call__(self, request: Request) -> Reply:
        """See `Ask`."""
        address, authority = nearest(self.listeners)
        headers = {PROOF_HEADER: self.token} if self.token else {}
        return await _bounded(
            lambda: connect(address), request, authority, headers, self.deadline_s
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ByHand:
    """On a connection of its own with an identity of its own; `headers` are those that the route
    attaches. Without `trust` in plaintext.
    """

    address: Address
    authority: str
    headers: Sequence[tuple[str, str]]
    trust: Trust | None
    deadline_s: float

    async def __call__(self, request: Request) -> Reply:
        """See `Ask`."""
        return await _bounded(
            self._link, request, self.authority, dict(self.headers), self.deadline_s
        )

    async def _link(self) -> Link:
        if self.trust is None:
            return await connect(self.address)
        link, _ = await dial(self.address, self.trust)
        return link


async def _bounded(
    open_link: Callable[[], Awaitable[Link]],
    request: Request,
    authority: str,
    headers: Mapping[str, str],
    deadline_s: float,
) -> Reply:
    link: Link | None = None
    try:
        async with asyncio.timeout(deadline_s):
            link = await open_link()
            return await exchange(link, request, authority=authority, headers=headers)
    except TimeoutError:
        if link is None:
            raise Missed("connect_timeout", f"no connection in {deadline_s:g} s") from None
        raise Missed("response_timeout", f"no answer in {deadline_s:g} s") from None
    finally:
        if link is not None:
            await link.close()


def nearest(listeners: Sequence[TcpAddress | UnixAddress]) -> tuple[Address, str]:
    """Where a caller of this machine connects, and what it calls the host."""
    access = access_to("", listeners, path="")
    authority = access.url.removeprefix("http://")
    return ((access.socket, 0) if access.socket else _split(authority)), authority


def _split(authority: str) -> Address:
    host, _, port = authority.rpartition(":")
    return (host.strip("[]"), int(port)) if host else (authority, _HTTP_PORT)


def listening(status: Mapping[str, object]) -> list[TcpAddress | UnixAddress]:
    """The listeners of a route as `GET /status` has them."""
    found: list[TcpAddress | UnixAddress] = []
    listed = status.get("listeners")
    for text in listed if isinstance(listed, list) else []:
        if str(text).startswith("unix:"):
            found.append(UnixAddress(Path(str(text).removeprefix("unix:"))))
        else:
            found.append(TcpAddress(*_split(str(text))))
    return found
