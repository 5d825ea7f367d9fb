"""Whether a tunnel through the running gateway stays: a refused one ends at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from gateway.data_plane.failure import REASONS, Failure
from gateway.doctor import answers, tls
from gateway.doctor.case import Known, of_route
from gateway.doctor.finding import Finding
from gateway.doctor.link import connect
from gateway.doctor.message import Missed
from gateway.doctor.ways import listening, nearest
from identity.fault import Fault


async def examine(route: str, known: Known, reached: tls.Reached) -> Finding:
    """The finding about the certificate that the gateway shows for a route of kind tcp."""
    address, _ = nearest(listening(known.route_status(route)))
    before = await _counted(route, known)
    try:
        stays = await _stays(address)
    except Missed as missed:
        return answers.missed(missed.failure, about=route, rung="accepted")
    if stays:
        how = f"kept the gateway's connection for {tls.VERDICT_S:g} s"
        return tls.accepted(reached.handshake, about=route, how=how)
    return answers.missed(await _why(route, known, before), about=route, rung="accepted")


async def _stays(address: tuple[str, int]) -> bool:
    link = await connect(address)
    try:
        async with asyncio.timeout(tls.VERDICT_S):
            return bool(await link.receive())
    except TimeoutError:
        return True
    except Missed:
        return False
    finally:
        await link.close()


async def _counted(route: str, known: Known) -> Mapping[str, Any]:
    """What the gateway says of the route now; nothing where it doesn't answer any more."""
    with contextlib.suppress(Fault):
        if known.running is not None:
            return of_route(await known.running.status(), route)
    return {}


async def _why(route: str, known: Known, before: Mapping[str, Any]) -> Failure:
    """The reason that the gateway has counted since."""
    now = await _counted(route, known)
    counted = before.get("failures") or {}
    for reason, count in (now.get("failures") or {}).items():
        if count > counted.get(reason, 0) and reason in REASONS:
            return Failure(reason, str(now.get("last_error") or ""))
    return Failure("upstream_closed", "the tunnel was ended at once")
