"""The revocation lists over HTTP: at once, or when there are others."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from certs.clock import Clock
from certs.issuer.bundle_api import number, tagged
from certs.issuer.crl import CrlVersion
from certs.issuer.news import News
from certs.issuer.service import IssuerService
from certs.issuer.worker import Worker

CONTENT_TYPE: Final = "application/pem-certificate-chain"


class CrlApi:
    """The handler, over one service that is used in one worker.

    `?wait=SECONDS` lets a request wait while the lists are those of its `If-None-Match`.
    """

    def __init__(self, *, service: IssuerService, worker: Worker, clock: Clock, news: News) -> None:
        self._service = service
        self._worker = worker
        self._clock = clock
        self._news = news

    async def pem(self, request: web.Request) -> web.StreamResponse:
        """All lists, PEM."""
        wait_s = number(request, "wait")
        crl = await self._current()
        tag = f'"{crl.tag}"'
        if wait_s and request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            await self._news.wait(crl.sequence, wait_s)
            crl = await self._current()
        return tagged(request, f'"{crl.tag}"', crl.pem, CONTENT_TYPE)

    async def _current(self) -> CrlVersion:
        return await self._worker.run(lambda: self._service.revocation_lists(self._clock.now()))
