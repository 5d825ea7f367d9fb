"""An HTTPS server known by its host, that answers as a test says and keeps what it was sent."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from certs import keys, tls_context
from tests.fakes.certificates import Leaf, Signer, ip

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request. `client` is the certificate that came with it, DER, or b""."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedHttps:
    """Serves on a free port of 127.0.0.1 with a leaf of `signer`.

    `answers` maps paths to what is answered, 404 elsewhere; `received` collects every request.
    With `clients`, a client certificate that they signed is taken and any other one refused.
    """

    def __init__(self, signer: Signer, *, leaf: Leaf, clients: Signer | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.received: list[Received] = []
        self.url = ""
        self._signer = signer
        self._leaf = leaf
        self._clients = clients

    async def start(self) -> None:
        """Serve; `url` says where."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context())
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End it."""
        await self._runner.cleanup()

    def always(self, path: str, response: Callable[[], web.StreamResponse]) -> None:
        """Answer every request for `path` with a new response."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return response()

        self.answers[path] = answer

    def paths(self) -> list[str]:
        """Those that were asked for."""
        return [request.path for request in self.received]

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._clients is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=self._clients.pem.decode())
        key = keys.generate()
        certificate = self._signer.leaf(key, self._leaf)
        tls_context.load_key_pair(
            context, key_pem=keys.to_pem(key), chain_pem=self._signer.chain_of(certificate)
        )
        return context

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        socket = request.transport.get_extra_info("ssl_object") if request.transport else None
        self.received.append(
            Received(
                method=request.method,
                path=request.path,
                headers=dict(request.headers),
                body=await request.read(),
                client=(socket.getpeercert(binary_form=True) if socket else None) or b"",
            )
        )
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response(status=404)


def host_leaf(like: Leaf) -> Leaf:
    """A server's leaf for 127.0.0.1, as long-lived as another one."""
    return Leaf(names=[ip("127.0.0.1")], not_before=like.not_before, not_after=like.not_after)
