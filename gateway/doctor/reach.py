"""From a route's name to an open port: DNS and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.control_plane.resolver import literal
from gateway.data_plane.failure import explanation
from gateway.doctor.finding import Finding
from gateway.doctor.link import connect
from gateway.doctor.message import Missed

Address = tuple[str, int]
Lookup = Callable[[str, int], Awaitable[tuple[Address, ...]]]

#: Of one upstream.
_MOST: Final = 16


async def resolve(
    targets: Sequence[Address], *, about: str, lookup: Lookup, deadline_s: float
) -> tuple[Finding, list[Address]]:
    """The finding of DNS, and the addresses."""
    found: list[Address] = []
    problems: list[str] = []
    answers = await asyncio.gather(*(_asked(item, lookup, deadline_s) for item in targets))
    for answer in answers:
        if isinstance(answer, str):
            problems.append(answer)
        else:
            found += answer
    addresses = list(dict.fromkeys(found))[:_MOST]
    return _of_names(targets, addresses, problems, about), addresses


def _of_names(
    targets: Sequence[Address], addresses: Sequence[Address], problems: Sequence[str], about: str
) -> Finding:
    if problems:
        return Finding(
            rung="dns",
            about=about,
            result="warn" if addresses else "fail",
            detail="; ".join(problems),
            remedy=explanation("unresolved").remedy
            + ", this machine's resolver, and whether a VPN has to be on",
            reason="unresolved",
        )
    if all(literal(*target) for target in targets):
        detail = "nothing to look up: the address is written down"
    else:
        detail = f"{', '.join(target[0] for target in targets)} is {_listed(addresses)}"
    return Finding(rung="dns", about=about, result="pass", detail=detail)


async def _asked(target: Address, lookup: Lookup, deadline_s: float) -> tuple[Address, ...] | str:
    known = literal(*target)
    if known is not None:
        return known.found
    try:
        async with asyncio.timeout(deadline_s):
            return await lookup(*target) or f"{target[0]} has no address"
    except TimeoutError:
        return f"no answer about {target[0]} in {deadline_s:g} s"
    except OSError as error:
        return f"{target[0]} does not resolve: {error.strerror or error}".lower()


async def open_ports(
    addresses: Sequence[Address], *, about: str, deadline_s: float
) -> tuple[Finding, list[Address]]:
    """The finding of TCP, and the addresses that accept connections."""
    answers = await asyncio.gather(*(_tried(item, deadline_s) for item in addresses))
    good = [item for item, why in zip(addresses, answers, strict=True) if why is None]
    bad = [why for why in answers if why is not None]
    if not bad:
        finding = Finding(rung="tcp", about=about, result="pass", detail=f"{_listed(good)} accepts")
        return finding, good
    detail = "; ".join(str(why) for why in bad)
    # The silent one is the firewall's; where all refuse, nothing runs there.
    reason = bad[0].failure.reason
    return (
        Finding(
            rung="tcp",
            about=about,
            result="warn" if good else "fail",
            detail=f"{detail}; {_listed(good)} accepts" if good else detail,
            remedy=explanation(reason).remedy,
            reason=reason,
        ),
        good,
    )


async def _tried(address: Address, deadline_s: float) -> Missed | None:
    try:
        async with asyncio.timeout(deadline_s):
            link = await connect(address)
    except TimeoutError:
        return Missed("connect_timeout", f"{_shown(address)} did not answer in {deadline_s:g} s")
    except Missed as missed:
        return missed
    await link.close()
    return None


def _listed(addresses: Sequence[Address]) -> str:
    return ", ".join(map(_shown, addresses))


def _shown(address: Address) -> str:
    host, port = address
    if not port:
        return f"unix:{host}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
