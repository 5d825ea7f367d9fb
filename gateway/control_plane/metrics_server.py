"""Metrics and probes on a TCP port of this machine, for those who can't ask a Unix socket."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.config.model import TcpAddress
from gateway.control_plane.admin_api import Handler, as_problems, problem
from gateway.control_plane.probes import AskState, add_probes
from gateway.errors import StartFailed

_LOG: Final = logging.getLogger(__name__)
_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


def _is_of_ours(record: logging.LogRecord) -> bool:
    """Of a request that isn't HTTP the library logs a trace, with which anybody who reaches the
    port could fill the disk.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_WIRE_LOG: Final = logging.getLogger(f"{__name__}.wire")
_WIRE_LOG.addFilter(_is_of_ours)


class MetricsServer:
    """Serves until it is closed; without an address it does nothing."""

    def __init__(self, address: TcpAddress | None, state: AskState) -> None:
        self._address = address
        self._state = state
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises `StartFailed`."""
        address = self._address
        if address is None:
            return
        application = web.Application(middlewares=[_own_names_only, as_problems])
        add_probes(application, self._state)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_WIRE_LOG,
            handle_signals=False,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address.host, address.port).start()
        except OSError as error:
            await self.close()
            raise StartFailed(
                f"can't serve metrics on {address}: {(error.strerror or str(error)).lower()}",
                hint="stop the program that has the port, or change telemetry.metrics_listen",
            ) from error
        _LOG.info("metrics are on http://%s/metrics", address)

    async def close(self) -> None:
        """Answer what is being asked, and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@web.middleware
async def _own_names_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page that was lured here by another name (DNS rebinding) is told nothing."""
    name = request.headers.get("Host", "").rpartition(":")[0].lower()
    if name not in _NAMES:
        return problem(421, "the Host header names another server", "ask 127.0.0.1 or localhost")
    return await handler(request)
