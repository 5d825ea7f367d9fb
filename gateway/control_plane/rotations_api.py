"""The admin API's part about rotations.

No page of a browser may ask for one: what carries a browser's marks is refused, and so is a body of
a kind that a page can send without being asked first (Fetch standard, "CORS-safelisted").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from aiohttp import web

from gateway.control_plane.rotations import ACTIONS, TooOften

_BROWSER: Final = ("Origin", "Sec-Fetch-Site", "Referer")
_FIELDS: Final = frozenset({"name", "action", "value", "old_key"})


class Rotations(Protocol):
    """What is asked of the gateway; each raises `Fault` where it is refused."""

    async def listed(self) -> dict[str, Any]:
        """All of them."""
        ...

    async def plan(self, name: str) -> dict[str, Any]:
        """What one would do, and who has the value."""
        ...

    async def ask(
        self, name: str, action: str, *, who: str, value: str = "", old_key: str = ""
    ) -> dict[str, Any]:
        """Begin, go on with or undo one; how far it is then."""
        ...

    async def refresh(self) -> None:
        """Read the routes' secrets again, now."""
        ...


def add_rotations(
    application: web.Application,
    rotations: Rotations,
    who: Callable[[web.Request], str],
    refuse_agents: Callable[[web.Request], Awaitable[None]],
) -> None:
    """Add the routes; `who` names the caller, and `refuse_agents` raises for coding agents."""

    async def listed(_request: web.Request) -> web.Response:
        return web.json_response(await rotations.listed())

    async def plan(request: web.Request) -> web.Response:
        return web.json_response(await rotations.plan(request.match_info["name"]))

    async def ask(request: web.Request) -> web.Response:
        _refuse_browsers(request)
        await refuse_agents(request)
        told = await _told(request)
        try:
            answer = await rotations.ask(
                told["name"],
                told.get("action", "start"),
                who=who(request),
                value=told.get("value", ""),
                old_key=told.get("old_key", ""),
            )
        except TooOften as error:
            raise web.HTTPTooManyRequests(reason=str(error)) from error
        return web.json_response(answer)

    async def refresh(request: web.Request) -> web.Response:
        _refuse_browsers(request)
        await rotations.refresh()
        return web.json_response({"ok": True})

    handlers: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
        ("GET", "/rotations", listed),
        ("GET", "/rotations/{name}/plan", plan),
        ("POST", "/rotations", ask),
        ("POST", "/secrets/refresh", refresh),
    )
    for method, path, handler in handlers:
        application.router.add_route(method, path, handler)


def _refuse_browsers(request: web.Request) -> None:
    if any(name in request.headers for name in _BROWSER):
        raise web.HTTPForbidden(reason="a page of a browser may not ask for this")


async def _told(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="the body should be application/json")
    try:
        told = await request.json()
    except (ValueError, RecursionError):
        told = None
    good = isinstance(told, dict) and told.keys() <= _FIELDS and "name" in told
    if not good or not all(isinstance(value, str) for value in told.values()):
        raise web.HTTPBadRequest(reason="the body should be an object of texts, with a name")
    if told.get("action", "start") not in ACTIONS:
        raise web.HTTPBadRequest(reason=f"action should be one of {', '.join(ACTIONS)}")
    return dict(told)
