"""What monitoring asks: metrics, and whether the gateway lives, has started, is ready."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.config.model import DEFAULT_IDENTITY
from gateway.control_plane import status
from gateway.telemetry import metrics
from gateway.telemetry.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from gateway.control_plane.status import GatewayState
    from gateway.control_plane.views import ForwardView, IdentityView

AskState = Callable[[], Awaitable["GatewayState"]]


def add_probes(application: web.Application, state: AskState) -> None:
    """Add `GET /metrics`, `/livez`, `/startupz` and `/readyz`; `state` is asked each time."""

    async def exposition(_request: web.Request) -> web.Response:
        text = metrics.exposition(numbers(await state()))
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def is_live(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def has_started(_request: web.Request) -> web.Response:
        body = status.startup(await state())
        return web.json_response(body, status=200 if body["started"] else 503)

    async def is_ready(_request: web.Request) -> web.Response:
        body = status.readiness(await state())
        return web.json_response(body, status=200 if body["ready"] else 503)

    async def route_is_ready(request: web.Request) -> web.Response:
        body = status.route_readiness(request.match_info["route"], await state())
        if body is None:
            raise web.HTTPNotFound(reason="no route has this name")
        return web.json_response(body, status=200 if body["ready"] else 503)

    application.router.add_get("/metrics", exposition)
    application.router.add_get("/livez", is_live)
    application.router.add_get("/startupz", has_started)
    application.router.add_get("/readyz", is_ready)
    application.router.add_get("/readyz/{route}", route_is_ready)


def numbers(state: GatewayState) -> metrics.Numbers:
    """The part of the state that is measured."""
    return metrics.Numbers(
        version=state.version,
        started_at=state.started_at.timestamp(),
        ready=status.readiness(state)["ready"],
        reloads=state.reloads,
        routes={
            route.name: state.stats[route.name]
            for route in state.config.routes
            if route.name in state.stats
        },
        certificates={_label(name): _certificate(view) for name, view in state.identities.items()},
        good_until={
            name: end.timestamp() if end else 0.0
            for name, end in status.good_until_by_route(state).items()
        },
        crl_ends={
            name: view.crl_ends_at.timestamp()
            for name, view in state.trust.items()
            if view.crl_ends_at is not None
        },
        trust_problems={name: len(view.problems) for name, view in state.trust.items()},
        buffered_bytes=sum(worker.buffered_bytes for worker in state.workers),
        worker_restarts=sum(worker.restarts for worker in state.workers),
        access_lines_dropped=state.access_lines_dropped,
        spans=state.spans,
        forwards={item.name: _forward(item, state.now) for item in state.forwards},
    )


def _label(identity: str) -> str:
    return "" if identity == DEFAULT_IDENTITY else identity


def _forward(view: ForwardView, now: datetime) -> metrics.Forward:
    since = view.waiting_since
    return metrics.Forward(
        lag=view.lag,
        lag_s=max(0.0, (now - since).total_seconds()) if since else 0.0,
        sent=view.sent,
        refused=view.refused,
    )


def _certificate(view: IdentityView) -> metrics.Certificate:
    generation, renewal = view.generation, view.next_renewal
    return metrics.Certificate(
        not_after=generation.not_after.timestamp() if generation else 0.0,
        next_renewal=renewal.timestamp() if renewal else 0.0,
        generation=generation.number if generation else 0,
        renewals=view.renewals,
        renewal_s=view.renewal_s,
        clock_skew_s=view.clock_skew_s,
    )
