"""The gateway that a bridge goes through: the one that runs, or one of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress
from typing import Final

from gateway.cli.admin_client import AdminClient
from gateway.cli.client_entry import own_command
from gateway.cli.client_target import Target, listeners_of
from gateway.clients.access import Access, access_to
from gateway.errors import GatewayError, NotRunning

_LOG: Final = logging.getLogger("gateway.bridge")
_READY_S: Final = 60.0
_LOOK_S: Final = 0.1
_STOP_S: Final = 10.0


class OwnGateway:
    """Finds the gateway's listener; where no gateway runs, starts one that ends with this."""

    def __init__(self, args: argparse.Namespace, target: Target, token: str) -> None:
        self._args = args
        self._target = target
        self._token = token
        self._admin = AdminClient(target.config.admin.socket)
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def access(self) -> Access:
        """The way to the route, when a gateway is there that has an identity. Raises
        `GatewayError`.
        """
        async with self._lock:
            if not await self._settled():
                await self._start()
            return await asyncio.to_thread(self._found)

    async def stop(self) -> None:
        """Stop what was started."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                # A second one cuts what is still open.
                process.send_signal(signal.SIGTERM)
                await process.wait()

    def _found(self) -> Access:
        listeners = listeners_of(self._target)
        route = self._target.route.name
        return access_to(route, listeners, path=self._args.path, token=self._token)

    async def _settled(self) -> bool:
        """Whether one runs, when none is about to come or to go: another bridge's begins and ends
        with that.
        """
        for _ in range(int(_READY_S / _LOOK_S)):
            state = await self._state()
            if state not in {"starting", "draining"}:
                return state is not None
            await asyncio.sleep(_LOOK_S)
        return True

    async def _state(self) -> str | None:
        try:
            return str((await asyncio.to_thread(self._admin.status)).get("state"))
        except NotRunning:
            return None

    async def _start(self) -> None:
        await self.stop()
        _LOG.warning("no gateway runs: one is started, which ends with this command")
        config = str(self._target.config.path)
        self._process = await asyncio.create_subprocess_exec(
            *own_command(),
            *("serve", "--config", config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
        )
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._is_ready():
                    if self._process.returncode is not None and await self._state() is None:
                        raise GatewayError(
                            "the gateway did not start", hint="why is said above this line"
                        )
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            _LOG.warning("the route is not ready after %g s: see devwiz-gw status", _READY_S)

    async def _is_ready(self) -> bool:
        try:
            route = self._target.route.name
            reply = await asyncio.to_thread(self._admin.get, f"/readyz/{route}")
        except NotRunning:
            return False
        return reply.status == 200
