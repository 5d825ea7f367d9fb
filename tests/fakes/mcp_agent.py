"""A real MCP server: one that accepts nothing but TLS 1.3 with a client certificate, or one behind
an ingress.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Any, Self

import uvicorn
from cryptography import x509
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.demo.planner import mcp_application
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until


class AnyAgent:
    """An application behind uvicorn, in a thread of its own.

    Attributes:
        port: where.
    """

    def __init__(self, application: ASGIApp, **options: Any) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                application, port=0, log_config=None, timeout_graceful_shutdown=1, **options
            )
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started)
        return self

    def __exit__(self, *_: Any) -> None:
        # Not by `handle_exit`: SSE libraries hook into it for the whole process, and the streams of
        # the next server here would end at once.
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port


class McpAgent(AnyAgent):
    """Over mutual TLS: the demonstration's tools, or another application.

    Attributes:
        serials: of the client certificates, one for each connection.
    """

    def __init__(self, context: ssl.SSLContext, application: ASGIApp | None = None) -> None:
        self.serials: list[str] = []
        serials = self.serials

        class Noting(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                serials.append(f"{x509.load_der_x509_certificate(der).serial_number:x}")
                super().connection_made(transport)

        super().__init__(
            application or mcp_application(),
            http=Noting,
            ssl_context_factory=lambda _config, _default: context,
        )


class LocalMcpAgent(AnyAgent):
    """In plaintext.

    Attributes:
        callers: what X-Forwarded-Client-Cert said, each text once.
    """

    def __init__(self) -> None:
        self.callers: list[str] = []
        application = mcp_application()

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                said = dict(scope["headers"])[b"x-forwarded-client-cert"].decode()
                if said not in self.callers:
                    self.callers.append(said)
            await application(scope, receive, send)

        super().__init__(noting)
