"""The issuer's HTTP interface: reads requests, calls the service in the worker, answers in JSON.

The interface is described in `docs/issuer-protocol.md`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import hdrs, web

from certs.clock import Clock
from certs.issuer.bundle_api import BundleApi
from certs.issuer.crl_api import CrlApi
from certs.issuer.joins.desk import JoinDesk
from certs.issuer.limits import Limits
from certs.issuer.news import News
from certs.issuer.refusal import Code, Refused
from certs.issuer.renew_window import Window
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from certs.issuer.strict_json import json_object, text_member
from certs.issuer.worker import Worker
from identity.secret_stores.base import Secret

MAX_BODY_BYTES: Final = 16_384

_BODY_DEADLINE_S: Final = 5.0

_STATUS: Final = {
    Code.MALFORMED_REQUEST: 400,
    Code.INVALID_CSR: 400,
    Code.TOKEN_INVALID: 401,
    Code.CERTIFICATE_REQUIRED: 401,
    Code.CERTIFICATE_EXPIRED: 401,
    Code.CERTIFICATE_UNKNOWN: 403,
    Code.TOKEN_EXPIRED: 403,
    Code.TOKEN_SPENT: 403,
    Code.RULE_UNKNOWN: 401,
    Code.METHOD_MISMATCH: 400,
    Code.PROVIDER_UNAVAILABLE: 503,
    Code.ID_TOKEN_MALFORMED: 401,
    Code.ID_TOKEN_ALGORITHM: 401,
    Code.ID_TOKEN_KEY_UNKNOWN: 401,
    Code.ID_TOKEN_SIGNATURE: 401,
    Code.ID_TOKEN_ISSUER: 401,
    Code.ID_TOKEN_AUDIENCE: 401,
    Code.ID_TOKEN_EXPIRED: 401,
    Code.ID_TOKEN_NOT_YET_VALID: 401,
    Code.ID_TOKEN_CLAIMS: 403,
    Code.PROOF_INVALID: 401,
    Code.CHALLENGE_EXPIRED: 401,
    Code.KEY_NOT_BOUND: 403,
    Code.REGISTRATION_INVALID: 403,
    Code.JOIN_STATE_INVALID: 401,
    Code.JOIN_STATE_MISMATCH: 403,
    Code.RECOVERY_LIMIT: 403,
    Code.NAMES_REFUSED: 403,
    Code.GENERATION_MISMATCH: 403,
    Code.INSTANCE_LOCKED: 403,
    Code.BOT_LOCKED: 403,
    Code.TOKEN_LOCKED: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.KEY_REUSED: 409,
    Code.BODY_TOO_LARGE: 413,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.AUTHORITY_EXPIRED: 503,
    Code.STATE_UNAVAILABLE: 503,
    Code.AUDIT_UNAVAILABLE: 503,
    Code.OVERLOADED: 503,
}

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class IssuerApi:
    """The handlers, over one service that is used in one worker."""

    def __init__(
        self,
        *,
        service: IssuerService,
        joins: JoinDesk,
        worker: Worker,
        clock: Clock,
        limits: Limits,
        bundle_news: News,
        crl_news: News,
    ) -> None:
        self._bundles = BundleApi(service=service, worker=worker, news=bundle_news)
        self._lists = CrlApi(service=service, worker=worker, clock=clock, news=crl_news)
        self._service = service
        self._joins = joins
        self._worker = worker
        self._clock = clock
        self._limits = limits

    def application(self) -> web.Application:
        """What an HTTP server serves."""
        application = web.Application(middlewares=[_problems], client_max_size=MAX_BODY_BYTES)
        application.add_routes(
            [
                web.get("/v1/bundle", self._for_strangers(self._bundles.document)),
                web.get("/v1/bundle.pem", self._for_strangers(self._bundles.pem)),
                web.get("/v1/crl.pem", self._for_strangers(self._lists.pem)),
                web.get("/v1/renew-window", self._renew_window),
                web.post("/v1/join", self._join),
                web.post("/v1/renew", self._renew),
                web.post("/v1/renew-ended", self._renew_ended),
                web.post("/v1/challenge", self._challenge),
            ]
        )
        return application

    def _for_strangers(self, handler: Handler) -> Handler:
        async def limited(request: web.Request) -> web.StreamResponse:
            self._limits.address(_peer(request))
            return await handler(request)

        return limited

    def _shown(self, request: web.Request) -> bytes:
        """The certificate proved in the handshake, which has checked its chain and dates."""
        leaf_der = _client_leaf(request)
        if leaf_der is None:
            self._limits.address(_peer(request))
            raise Refused(
                Code.CERTIFICATE_REQUIRED,
                "renewal needs the current certificate in the TLS handshake",
                hint="without a valid one, join with a token",
            )
        return leaf_der

    async def _renew_window(self, request: web.Request) -> web.StreamResponse:
        leaf_der = self._shown(request)
        window = await self._worker.run(
            lambda: self._service.renew_window(leaf_der, self._clock.now())
        )
        response = web.Response(
            body=json.dumps(_advice(window)).encode(), content_type="application/json"
        )
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        response.headers[hdrs.RETRY_AFTER] = str(window.retry_after_s)
        return response

    async def _join(self, request: web.Request) -> web.StreamResponse:
        peer = _peer(request)
        self._limits.address(peer)
        content = await _content(request)
        if "rule" in content:
            return _reply(await self._joins.join(content, peer=peer))
        token = Secret(text_member(content, "token"))
        csr_pem = text_member(content, "csr_pem").encode()
        issued = await self._worker.run(
            lambda: self._service.join(token, csr_pem, peer=peer, now=self._clock.now())
        )
        return _reply(issued)

    async def _renew(self, request: web.Request) -> web.StreamResponse:
        leaf_der = self._shown(request)
        csr_pem, peer = text_member(await _content(request), "csr_pem").encode(), _peer(request)
        issued = await self._worker.run(
            lambda: self._service.renew(leaf_der, csr_pem, peer=peer, now=self._clock.now())
        )
        return _reply(issued)

    async def _renew_ended(self, request: web.Request) -> web.StreamResponse:
        peer = _peer(request)
        self._limits.address(peer)
        return _reply(await self._joins.renew_ended(await _content(request), peer=peer))

    async def _challenge(self, request: web.Request) -> web.StreamResponse:
        self._limits.address(_peer(request))
        challenge = await self._joins.challenge(await _content(request))
        return _document({"challenge": challenge})


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except Refused as refused:
        response = _problem(refused)
    except web.HTTPException as error:
        response = _problem(_refusal_of(error))
    except Exception:  # noqa: BLE001 - the border: a defect becomes a 500, and its trace a log line
        _log.exception("the issuer failed to answer %s %s", request.method, request.path)
        response = _problem(Refused(Code.INTERNAL, "the issuer failed to answer"))
    response.headers[hdrs.SERVER] = "devwiz-gw-issuer"
    return response


def _problem(refused: Refused) -> web.Response:
    """RFC 9457, with the stable `code` and, where there is one, a `hint`."""
    status = _STATUS[refused.code]
    content = {
        "title": refused.code.replace("_", " "),
        "status": status,
        "code": refused.code,
        "detail": str(refused),
        **refused.members,
    }
    if refused.hint:
        content["hint"] = refused.hint
    response = web.Response(
        status=status, body=json.dumps(content).encode(), content_type="application/problem+json"
    )
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    if refused.retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(math.ceil(refused.retry_after_s))
    return response


def _refusal_of(error: web.HTTPException) -> Refused:
    match error.status:
        case 404:
            return Refused(Code.NOT_FOUND, "there is nothing here")
        case 405:
            return Refused(Code.METHOD_NOT_ALLOWED, "this method is not for this path")
        case 413:
            return Refused(Code.BODY_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes")
        case _:
            return Refused(Code.MALFORMED_REQUEST, "the request can't be read")


async def _content(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body."""
    try:
        async with asyncio.timeout(_BODY_DEADLINE_S):
            body = await request.read()
    except TimeoutError as error:
        raise Refused(Code.MALFORMED_REQUEST, "the body didn't arrive in time") from error
    except web.RequestPayloadError as error:
        raise Refused(Code.MALFORMED_REQUEST, "the body breaks HTTP's framing") from error
    content = json_object(body)
    if content is None:
        raise Refused(
            Code.MALFORMED_REQUEST, "the body is not a JSON object in UTF-8 with distinct members"
        )
    return content


def _reply(issued: Issued) -> web.Response:
    content = {
        "instance": issued.instance,
        "generation": issued.generation,
        "spiffe_id": issued.spiffe_id,
        "not_after": issued.not_after.isoformat(),
        "chain_pem": issued.chain_pem.decode(),
        "bundle_pem": issued.bundle.pem.decode(),
        "bundle_sequence": issued.bundle.sequence,
        **_advice(issued.renew_window),
    }
    if issued.join_state:
        content["join_state"] = issued.join_state
    return _document(content)


def _document(content: Mapping[str, Any]) -> web.Response:
    response = web.Response(body=json.dumps(content).encode(), content_type="application/json")
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def _advice(window: Window) -> dict[str, Any]:
    return {
        "renew_window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "retry_after": window.retry_after_s,
    }


def _peer(request: web.Request) -> str:
    return request.remote or ""


def _client_leaf(request: web.Request) -> bytes | None:
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    leaf_der: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    return leaf_der
