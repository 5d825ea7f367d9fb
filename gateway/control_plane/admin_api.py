"""The admin API: HTTP on a Unix socket that only this user, or root, may talk to."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from gateway.config.model import DEFAULT_IDENTITY
from gateway.control_plane import status
from gateway.control_plane.listeners import open_unix_socket, remove_own_socket
from gateway.control_plane.probes import add_probes
from gateway.control_plane.rotations_api import Rotations, add_rotations
from gateway.injection.ancestors import ProcessGone, agent_behind
from identity.fault import Fault

if TYPE_CHECKING:
    from gateway.config.model import Config
    from gateway.control_plane.status import GatewayState
    from gateway.control_plane.views import IdentityView

_LOG: Final = logging.getLogger(__name__)
_UCRED: Final = struct.Struct("3i")
MOST_REQUESTS: Final = 1000
#: The most time that retired workers can be given.
MOST_DEADLINE_S: Final = 86_400.0
#: The longest that a command may wait for the next certificate in one request.
MOST_WAIT_S: Final = 60.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Controls(Protocol):
    """What the admin API may ask of the gateway, and tell it."""

    async def state(self) -> GatewayState:
        """The gateway at this moment, workers asked."""
        ...

    async def reload(self) -> None:
        """Take the configuration file in again. Raises `Fault` when it is refused."""
        ...

    async def replace_workers(self, deadline_s: float | None) -> None:
        """Let fresh workers take over, and the old ones finish, by the deadline if there is one.
        Raises `Fault` when the old ones stay.
        """
        ...

    def drain(self) -> None:
        """Begin to stop."""
        ...

    async def renew(self, name: str) -> IdentityView | None:
        """Ask for a new certificate of an identity now; how it stands, with when that is possible;
        None for a name that none has.
        """
        ...

    async def material(self, name: str, who: str, *, but: str, wait_s: float) -> dict[str, Any]:
        """An identity with its key, for files; see `Outlets.material`. Raises `Fault`."""
        ...

    def certificates(self, name: str) -> dict[str, Any]:
        """What is public of an identity; see `Outlets.certificates`. Raises `Fault`."""
        ...

    def denied(self, uid: int, what: str, *, agent: str = "") -> None:
        """Told of each request that was refused: of another user, or with a coding agent behind."""
        ...


class History(Protocol):
    """What the admin API tells of single requests."""

    def latest(self, count: int, *, failed: bool) -> list[dict[str, Any]]:
        """The last requests, or failures; the oldest first."""
        ...

    def explained(self, key: str, config: Config) -> list[dict[str, Any]]:
        """A document for each request with this id, or of this trace."""
        ...


class AdminApi:
    """Serves the API until it is closed."""

    def __init__(
        self,
        path: Path,
        controls: Controls,
        history: History,
        rotations: Rotations,
        *,
        uid: int | None = None,
        agent_behind: Callable[[int], str] = agent_behind,
    ) -> None:
        """`agent_behind` names the coding agent behind a process; see `injection.ancestors`."""
        self._path = path
        self._controls = controls
        self._history = history
        self._rotations = rotations
        self._agent_behind = agent_behind
        self._uids = {0, os.geteuid() if uid is None else uid}
        self._runner: web.AppRunner | None = None
        self._inode = (0, 0)

    async def start(self) -> None:
        """Listen. Raises `StartFailed`."""
        listening, self._inode = await asyncio.to_thread(open_unix_socket, self._path)
        self._runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening, backlog=128).start()

    async def close(self) -> None:
        """Answer what is being asked, stop listening and remove the socket."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.to_thread(remove_own_socket, self._path, self._inode)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._own_user_only, as_problems])
        add_probes(application, self._controls.state)
        application.router.add_get("/status", self._status)
        application.router.add_get("/requests", self._requests)
        application.router.add_get("/requests/{key}", self._request)
        application.router.add_post("/reload", self._reload)
        application.router.add_post("/workers/replace", self._replace_workers)
        application.router.add_post("/drain", self._drain)
        application.router.add_post("/identity/renew", self._renew)
        application.router.add_get("/identity/certificates", self._certificates)
        application.router.add_post("/identity/export", self._export)
        add_rotations(application, self._rotations, _who, self._refuse_agents)
        return application

    @web.middleware
    async def _own_user_only(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = _peer(request)
        uid = None if peer is None else peer[1]
        if uid is not None and uid not in self._uids:
            _LOG.warning(
                "refused %s %s to uid %d",
                request.method,
                request.path,
                uid,
                extra={"event": "admin_denied", "uid": uid},
            )
            self._controls.denied(uid, f"{request.method} {request.path}")
            return problem(403, "only the user who runs the gateway may talk to it", "")
        return await handler(request)

    async def _refuse_agents(self, request: web.Request) -> None:
        """For what gives keys, changes secrets, or steers the gateway: which takes a person's word.
        Whoever may edit the configuration gets secrets by a reload; see docs/threat-model.md.

        Raises:
            HTTPForbidden: a coding agent is behind the caller, or nobody can be seen there.
        """
        peer = _peer(request)
        if peer is None or peer[0] <= 0:
            return  # it is of another machine's view, or the system doesn't tell
        try:
            agent = await asyncio.to_thread(self._agent_behind, peer[0])
        except ProcessGone:
            agent = "a process that has ended"
        if agent:
            self._controls.denied(peer[1], f"{request.method} {request.path}", agent=agent)
            raise web.HTTPForbidden(
                reason=f"{agent} asks for it: run the command yourself in a terminal"
            )

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response(status.document(await self._controls.state()))

    async def _requests(self, request: web.Request) -> web.Response:
        count = request.query.get("last", "20")
        if not re.fullmatch(r"[1-9][0-9]{0,3}", count) or int(count) > MOST_REQUESTS:
            return problem(400, f"last should be between 1 and {MOST_REQUESTS}", "")
        await self._controls.state()  # workers then hand over what they have gathered
        failed = request.query.get("failed", "0") not in ("", "0")
        return web.json_response({"requests": self._history.latest(int(count), failed=failed)})

    async def _request(self, request: web.Request) -> web.Response:
        state = await self._controls.state()
        found = self._history.explained(request.match_info["key"], state.config)
        if not found:
            hint = (
                "it is still under way, or too long ago: look into the log; where the upstream is "
                "behind a gateway as well, it may be an id of that one, and known there"
            )
            return problem(404, "no request of that id is remembered", hint)
        return web.json_response({"requests": found})

    async def _reload(self, request: web.Request) -> web.Response:
        await self._refuse_agents(request)
        await self._controls.reload()
        return web.json_response({"ok": True})

    async def _replace_workers(self, request: web.Request) -> web.Response:
        await self._refuse_agents(request)
        await self._controls.replace_workers(_deadline(request))
        workers = status.document(await self._controls.state())["workers"]
        return web.json_response({"ok": True, "workers": workers})

    async def _drain(self, request: web.Request) -> web.Response:
        await self._refuse_agents(request)
        # After this reply is on its way: the drain closes this very socket.
        asyncio.get_running_loop().call_later(0.05, self._controls.drain)
        return web.json_response({"ok": True})

    async def _renew(self, request: web.Request) -> web.Response:
        names = list((await self._controls.state()).identities)
        name = request.query.get("name", names[0])
        identity, now = await self._controls.renew(name), datetime.now(UTC)
        if identity is None:
            return problem(404, "no identity has this name", f"there are: {', '.join(names)}")
        age, wait = _seconds(identity.since, now), _seconds(now, identity.earliest_renewal)
        return web.json_response({"ok": True, "age_s": age, "possible_in_s": wait})

    async def _certificates(self, request: web.Request) -> web.Response:
        name = request.query.get("identity", DEFAULT_IDENTITY)
        return web.json_response(self._controls.certificates(name))

    async def _export(self, request: web.Request) -> web.Response:
        await self._refuse_agents(request)
        who = _who(request)
        folder = request.query.get("dir", "")
        material = await self._controls.material(
            request.query.get("identity", DEFAULT_IDENTITY),
            f"{who} for {folder}" if folder else who,
            but=request.query.get("but", ""),
            wait_s=min(_seconds_of(request, "wait_s"), MOST_WAIT_S),
        )
        return web.json_response(material)


def _who(request: web.Request) -> str:
    """The user who asks, for the journal."""
    peer = _peer(request)
    return "an unknown user" if peer is None else f"uid:{peer[1]}"


def _peer(request: web.Request) -> tuple[int, int] | None:
    """Process and user of who asks, as far as the kernel tells."""
    transport = request.transport
    return peer_of(transport.get_extra_info("socket")) if transport else None


def _seconds_of(request: web.Request, name: str) -> float:
    """A number of seconds of the query, 0 where it isn't there."""
    text = request.query.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text):
        raise web.HTTPBadRequest(reason=f"{name} is not a number of seconds")
    return float(text)


def _deadline(request: web.Request) -> float | None:
    """The query's `deadline_s`, if there is one."""
    text = request.query.get("deadline_s")
    if text is None:
        return None
    try:
        deadline_s = float(text)
    except ValueError:
        deadline_s = math.nan
    if not 0 <= deadline_s <= MOST_DEADLINE_S:
        raise web.HTTPBadRequest(reason=f"deadline_s is not between 0 and {MOST_DEADLINE_S:.0f}")
    return deadline_s


def _seconds(begin: datetime | None, end: datetime | None) -> float:
    """The time from `begin` to `end`, 0 where there is none."""
    return max(0.0, (end - begin).total_seconds()) if begin and end else 0.0


def peer_of(sock: socket.socket | None) -> tuple[int, int] | None:
    """Process and user at the other end of a Unix socket, as the kernel saw them at `connect`.

    None where the system has no such question; there the socket's mode is the guard.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or sock is None:
        return None
    data = sock.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
    pid, uid, _gid = _UCRED.unpack(data)
    return pid, uid


def problem(code: int, title: str, detail: str, **more: Any) -> web.Response:
    """An answer as RFC 9457 describes it."""
    body = {"type": "about:blank", "status": code, "title": title, "detail": detail, **more}
    return web.json_response(body, status=code, content_type="application/problem+json")


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what goes wrong as RFC 9457 describes it."""
    try:
        return await handler(request)
    except Fault as fault:
        problems = [
            {"key": item.key, "message": item.message, "hint": item.hint}
            for item in getattr(fault, "problems", ())
        ]
        return problem(409, str(fault), fault.hint, problems=problems)
    except web.HTTPException as error:
        said = error.reason or ""
        title = said.lower() if said == HTTPStatus(error.status).phrase else said
        return problem(error.status, title, f"{request.method} {request.path}")
