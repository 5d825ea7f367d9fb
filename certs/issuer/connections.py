"""Who is connected to the issuer: bounded in number, of one network and of all, and in time. So
slow or idle peers can't collect connections, and those of one address can't take them all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

from certs.issuer.limits import network_of

MOST: Final = 1_000
#: A fleet may sit behind one address; half is left for everybody else.
MOST_OF_ONE_NETWORK: Final = MOST // 2
#: A client's operation takes one request; nothing honest needs a connection for longer.
LIFE_S: Final = 30.0


class Connections:
    """The open connections of one listener. `make` gives what speaks HTTP on the next one."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._open: Counter[str] = Counter()

    def protocol(self) -> asyncio.Protocol:
        """For a new connection."""
        return _Connection(self, self._make)

    def enter(self, network: str) -> bool:
        """Whether there is room for one more of this network; it is then counted until `leave`."""
        if self._open.total() >= MOST or self._open[network] >= MOST_OF_ONE_NETWORK:
            return False
        self._open[network] += 1
        return True

    def leave(self, network: str) -> None:
        """One of this network has ended."""
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


class _Connection(asyncio.Protocol):
    """Stands before what speaks HTTP, once there is room for it."""

    def __init__(self, connections: Connections, make: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._make = make
        self._network = ""
        self._inner: asyncio.Protocol | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connected = cast("asyncio.Transport", transport)
        peer = connected.get_extra_info("peername")
        self._network = network_of(str(peer[0])) if peer else ""
        if not self._connections.enter(self._network):
            connected.abort()
            return
        self._end = asyncio.get_running_loop().call_later(LIFE_S, connected.abort)
        self._inner = self._make()
        self._inner.connection_made(connected)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        inner, self._inner = self._inner, None
        if inner is None:
            return
        self._connections.leave(self._network)
        if self._end is not None:
            self._end.cancel()
        inner.connection_lost(exc)
