"""An HTTPS server that answers as a test says, and keeps what it was sent."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import web

from certs import keys, tls_context
from certs.issuer import ca
from certs.issuer.ca import Authority
from certs.issuer.server_identity import issuer_id
from certs.profiles import LeafNames, Terms, serial_from
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedIssuer:
    """Serves on a free port with a leaf of `authority` for `server_id`.

    `answers` maps paths to what is answered; `received` collects every body.
    """

    def __init__(
        self, authority: Authority, clock: ManualClock, server_id: str = issuer_id(TRUST_DOMAIN)
    ) -> None:
        self.authority = authority
        self.answers: dict[str, Answer] = {}
        self.received: list[bytes] = []
        self.paths: list[str] = []
        self.url = ""
        self._clock = clock
        self._server_id = server_id

    async def start(self) -> None:
        key = keys.generate()
        leaf = self.authority.sign_workload(
            key.public_key(),
            names=LeafNames(spiffe_id=self._server_id),
            terms=Terms(
                serial=serial_from(os.urandom(20)), now=self._clock.now(), life=timedelta(hours=1)
            ),
        )
        context = tls_context.server_context(client_bundle_pem=ca.to_pem(self.authority.root))
        tls_context.load_key_pair(
            context, key_pem=keys.to_pem(key), chain_pem=self.authority.chain_pem(leaf)
        )
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def always(self, path: str, response: Callable[[], web.StreamResponse]) -> None:
        """Answer every request for `path` with a new response."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return response()

        self.answers[path] = answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.received.append(await request.read())
        return await self.answers[request.path](request)
