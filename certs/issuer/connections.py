"""Who is connected to the issuer: bounded in number, of one network and of all, and in time, from
the moment on that the system hands a connection over. So slow, idle or silent peers can't collect
connections, and those of one address can't take them all.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

from certs.issuer.limits import network_of

MOST: Final = 1_000
#: A fleet may sit behind one address; half is left for everybody else.
MOST_OF_ONE_NETWORK: Final = MOST // 2
#: A client's operation takes one request; nothing honest needs a connection for longer.
LIFE_S: Final = 30.0

_ACCEPT_AGAIN_S: Final = 0.1


class Connections:
    """The open connections of one listener.

    Args:
        make: gives what speaks HTTP on the next one.
        context: for its TLS.
        handshake_s: the deadline of a handshake.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], *, context: ssl.SSLContext, handshake_s: float
    ) -> None:
        self._make = make
        self._context = context
        self._handshake_s = handshake_s
        self._open: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> None:
        """Take connections until cancelled; then those in their handshake end, too.

        `asyncio`'s own server hands a connection over when its handshake is done: silent ones would
        be counted by nobody, and could use up this process's descriptors.
        """
        try:
            while True:
                await self._accept(listening)
        finally:
            for handshake in self._handshakes:
                handshake.cancel()
            await asyncio.gather(*self._handshakes, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, peer = await asyncio.get_running_loop().sock_accept(listening)
        except ConnectionAbortedError:
            return
        except OSError:
            # The system is short of descriptors or memory: who waits stays in its queue.
            await asyncio.sleep(_ACCEPT_AGAIN_S)
            return
        network = network_of(str(peer[0]))
        if self._open.total() >= MOST or self._open[network] >= MOST_OF_ONE_NETWORK:
            accepted.close()
            return
        self._open[network] += 1
        handshake = asyncio.create_task(self._shake_hands(accepted, network))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket, network: str) -> None:
        connection = _Connection(self._make, lambda: self._leave(network))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
            )
        except OSError:
            pass  # the peer's affair; an alert has told it
        finally:
            if not connection.has_begun:
                self._leave(network)

    def _leave(self, network: str) -> None:
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


class _Connection(asyncio.Protocol):
    """Stands before what speaks HTTP. `leave` is called once it has begun and ended."""

    def __init__(self, make: Callable[[], asyncio.Protocol], leave: Callable[[], None]) -> None:
        self._inner = make()
        self._leave = leave
        self._end: asyncio.TimerHandle | None = None
        self.has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.has_begun = True
        connected = cast("asyncio.Transport", transport)
        self._end = asyncio.get_running_loop().call_later(LIFE_S, connected.abort)
        self._inner.connection_made(connected)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._leave()
        self._inner.connection_lost(exc)
