"""The Unix socket of the SPIFFE Workload API: who connects is known first, and how many may."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Final

from certs.clock import Clock
from gateway.config.model import WorkloadApiConfig
from gateway.control_plane.grpc_connection import ConnectionLimits, GrpcConnection
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.listeners import open_unix_socket, remove_own_socket
from gateway.control_plane.workload_service import (
    Listener,
    WorkloadCaller,
    WorkloadService,
    entitled,
)
from gateway.local_programs import program_of_peer, unmapped_uid

_LOG: Final = logging.getLogger(__name__)
_UCRED: Final = struct.Struct("=iII")
_OWN_USER_ONLY: Final = 0o600
#: Whoever may have something is judged by the rules; the mode only lets them ask.
_EVERYBODY: Final = 0o666
MOST_CONNECTIONS: Final = 256
MOST_CONNECTIONS_OF_ONE_USER: Final = 64


class WorkloadServer:
    """Serves until it is closed. `use` says by which rules, at any time."""

    def __init__(
        self,
        api: WorkloadApiConfig,
        board: IdentityBoard,
        identities: Callable[[], tuple[str, ...]],
        listener: Listener,
        *,
        clock: Clock,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self._api = api
        self._board = board
        self._identities = identities
        self._listener = listener
        self._clock = clock
        self._limits = limits or ConnectionLimits()
        self._nobody = -1
        self._server: asyncio.Server | None = None
        self._inode = (0, 0)
        self._open: dict[asyncio.Task[None], GrpcConnection] = {}
        self._users: Counter[int | None] = Counter()

    async def start(self) -> None:
        """Listen. Raises `StartFailed`."""
        listening, self._inode = await asyncio.to_thread(
            open_unix_socket, self._api.socket, mode=self._mode()
        )
        self._nobody = await asyncio.to_thread(unmapped_uid)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, backlog=128)

    async def use(self, api: WorkloadApiConfig) -> None:
        """Go by other rules; streams that are open hear of it."""
        self._api = api
        self._board.tell()
        if self._server is not None:
            await asyncio.to_thread(api.socket.chmod, self._mode())

    async def close(self) -> None:
        """Tell open callers, stop listening, and remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task, connection in list(self._open.items()):
            await connection.stop()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.to_thread(remove_own_socket, self._api.socket, self._inode)

    def _mode(self) -> int:
        others = any(rule.uid not in (0, os.geteuid()) for rule in self._api.allow)
        return _EVERYBODY if others else _OWN_USER_ONLY

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = self._caller(writer.get_extra_info("socket"))
        task = asyncio.current_task()
        is_crowded = (
            len(self._open) >= MOST_CONNECTIONS
            or self._users[caller.uid] >= MOST_CONNECTIONS_OF_ONE_USER
        )
        if is_crowded or task is None:
            _LOG.warning("too many connections to the Workload API: %s is cut", caller)
            writer.transport.abort()
            return
        service = WorkloadService(
            caller,
            lambda: entitled(self._api, caller, self._identities(), own_uid=os.geteuid()),
            self._board,
            self._listener,
            self._clock.now,
        )
        connection = GrpcConnection(reader, writer, service, self._limits)
        self._open[task] = connection
        self._users[caller.uid] += 1
        try:
            await connection.run()
        finally:
            del self._open[task]
            self._users[caller.uid] -= 1

    def _caller(self, sock: socket.socket) -> WorkloadCaller:
        """As the kernel saw it at `connect`: a socket that is handed on speaks for its maker."""
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            return WorkloadCaller(uid=None)
        try:
            data = sock.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
        except OSError:
            return WorkloadCaller(uid=None)
        pid, uid, _gid = _UCRED.unpack(data)
        if uid == self._nobody:
            return WorkloadCaller(uid=None)
        return WorkloadCaller(uid=uid, pid=pid, exe=program_of_peer(sock, pid))
