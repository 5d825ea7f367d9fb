"""The bundle over HTTP: as a SPIFFE document and as PEM, at once or when there is a newer one."""

from __future__ import annotations

import json
import re
from typing import Final

from aiohttp import hdrs, web

from certs.issuer import bundle_document
from certs.issuer.news import MAX_WAIT_S, News
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import IssuerService
from certs.issuer.signing import BundleVersion
from certs.issuer.worker import Worker

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class BundleApi:
    """The handlers of both paths, over one service that is used in one worker.

    `?after=SEQUENCE` lets a request wait while that is the newest, for 20 s or `wait=SECONDS`.
    """

    def __init__(self, *, service: IssuerService, worker: Worker, news: News) -> None:
        self._service = service
        self._worker = worker
        self._news = news

    async def document(self, request: web.Request) -> web.StreamResponse:
        """The SPIFFE bundle document."""
        bundle = await self._bundle(request)
        content = bundle_document.document(bundle.pem, sequence=bundle.sequence)
        return _versioned(request, bundle, json.dumps(content).encode(), "application/json")

    async def pem(self, request: web.Request) -> web.StreamResponse:
        """The authorities, PEM."""
        bundle = await self._bundle(request)
        return _versioned(request, bundle, bundle.pem, "application/pem-certificate-chain")

    async def _bundle(self, request: web.Request) -> BundleVersion:
        known, wait_s = number(request, "after"), number(request, "wait")
        if known is None:
            return await self._worker.run(self._service.bundle)
        # What another request has just read is known here; the news would tell it a moment later.
        self._news.publish(self._service.authorities.latest.sequence)
        await self._news.wait(known, MAX_WAIT_S if wait_s is None else wait_s)
        # From memory: all who waited are answered at once, and the worker takes no crowd.
        return self._service.latest_bundle()


def number(request: web.Request, name: str) -> int | None:
    """A parameter of the query, if it is there."""
    text = request.query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Refused(Code.MALFORMED_REQUEST, f"{name} is not a number")
    return int(text)


def _versioned(
    request: web.Request, bundle: BundleVersion, body: bytes, content_type: str
) -> web.Response:
    return tagged(request, f'"{bundle.sequence}"', body, content_type)


def tagged(request: web.Request, tag: str, body: bytes, content_type: str) -> web.Response:
    """The body under its tag, or 304 for who has it already."""
    asked = {part.strip() for part in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")}
    unchanged = tag in asked or "*" in asked
    response = (
        web.Response(status=304)
        if unchanged
        else web.Response(body=body, content_type=content_type)
    )
    response.headers[hdrs.ETAG] = tag
    response.headers[hdrs.CACHE_CONTROL] = "no-cache"
    return response
