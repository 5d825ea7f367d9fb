"""Whether local callers can reach a route: its listeners, and its rules for them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.config.model import Route, TcpAddress, UnixAddress
from gateway.doctor.finding import Finding
from gateway.doctor.link import connect
from gateway.doctor.message import Missed
from gateway.doctor.port_holder import holder
from gateway.doctor.ways import listening

_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
#: Where bytes are carried as they are, the gateway looks up at once whose a connection is: one that
#: is gone by then is nobody's, and would be refused on paper.
_HOLD_S: Final = 1.0
Listener = TcpAddress | UnixAddress


async def examine_running(
    route: Route, status: Mapping[str, Any], *, deadline_s: float
) -> list[Finding]:
    """Whether the running gateway's listeners of the route accept."""
    listeners = listening(status)
    if not listeners:
        return [
            Finding(
                rung="callers",
                about=route.name,
                # The file was edited and not read anew, which the gateway's own rung warns of, too.
                result="warn",
                detail="the running gateway doesn't listen for this route",
                remedy="devwiz-gw reload makes it read its configuration again",
            )
        ]
    hold_s = _HOLD_S if route.protocol == "tcp" else 0.0
    tried = await asyncio.gather(*(_try(item, deadline_s, hold_s) for item in listeners))
    problems = [why for why in tried if why]
    named = ", ".join(map(str, listeners))
    if problems:
        finding = Finding(
            rung="callers",
            about=route.name,
            result="fail",
            detail="; ".join(problems),
            remedy="devwiz-gw status shows the workers; its log tells more",
        )
        return [finding, *rules(route)]
    finding = Finding(
        rung="callers", about=route.name, result="pass", detail=f"{named} accepts callers"
    )
    return [finding, *rules(route)]


async def _try(listener: Listener, deadline_s: float, hold_s: float) -> str:
    if isinstance(listener, UnixAddress):
        address = (str(listener.path), 0)
    else:
        address = (listener.host, listener.port)
    try:
        async with asyncio.timeout(deadline_s):
            link = await connect(address)
    except TimeoutError:
        return f"{listener} did not answer in {deadline_s:g} s"
    except Missed as missed:
        return missed.failure.detail
    with contextlib.suppress(TimeoutError, Missed):
        async with asyncio.timeout(hold_s):
            await link.receive()
    await link.close()
    return ""


def examine_free(route: Route) -> list[Finding]:
    """Whether the route's addresses could be listened on. Each is taken for a moment."""
    problems = [why for item in route.listen if (why := _taken(item))]
    if problems:
        finding = Finding(
            rung="callers",
            about=route.name,
            result="fail",
            detail="; ".join(problems),
            remedy="end that program, or give the route another address under listen",
        )
    else:
        named = ", ".join(map(str, route.listen))
        detail = f"{named} is free; nothing listens until the gateway runs"
        finding = Finding(rung="callers", about=route.name, result="pass", detail=detail)
    return [finding, *rules(route)]


def _taken(listener: Listener) -> str:
    if isinstance(listener, UnixAddress):
        return _unix_problem(listener.path)
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((listener.host, listener.port))
            probe.listen(1)
    except OSError as error:
        if error.errno in _NO_IPV6:
            return "" if family == socket.AF_INET6 else f"{listener} is not of this machine"
        if error.errno == errno.EADDRINUSE:
            who = holder(listener.host, listener.port)
            return f"{listener} is taken" + (f" by {who}" if who else "")
        return f"{listener} can't be listened on: {(error.strerror or str(error)).lower()}"
    return ""


def _unix_problem(path: Path) -> str:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        if os.access(path.parent, os.W_OK | os.X_OK):
            return ""
        return f"{path} can't be made: its folder isn't there, or not writable"
    except OSError as error:
        return f"{path} can't be looked at: {(error.strerror or str(error)).lower()}"
    if not stat.S_ISSOCK(facts.st_mode):
        return f"{path} is there, and is no socket"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        # A socket that nobody listens on is left over, and is replaced.
        return f"{path} is taken" if probe.connect_ex(str(path)) == 0 else ""


def refused(route: Route, why: str) -> Finding:
    """The route's own rules keep this program out, which may well be what is meant."""
    return Finding(
        rung="callers",
        about=route.name,
        result="warn",
        detail=f"the route's rules refuse this user's own requests with 403: {why}",
        remedy="if the agents are to call as this user: add a [[routes.allow]] rule for it; "
        "otherwise run doctor as the user whom the rules let in",
        reason="caller_denied",
    )


def rules(route: Route) -> Iterator[Finding]:
    """What stands against the rules that name programs."""
    for rule in route.allow:
        if rule.exe and not os.access(rule.exe, os.X_OK):
            yield Finding(
                rung="callers",
                about=route.name,
                result="warn",
                detail=f"a rule lets {rule.exe} in, which is no program here",
                remedy="write the path that /proc/PID/exe leads to: a link's target, not the link",
            )
