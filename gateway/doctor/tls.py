"""TLS with an upstream as doctor itself finds it: what is agreed, and whether our certificate is
accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.data_plane.failure import explanation
from gateway.doctor import answers
from gateway.doctor.finding import Finding
from gateway.doctor.link import Handshake, TlsLink, Trust, dial, issuer_in, shown_by
from gateway.doctor.message import Missed
from gateway.doctor.reach import Address

#: How long a verdict on a certificate is waited for where no request can be sent: it comes with the
#: first read behind the handshake (RFC 8446 section 2), a round trip later.
VERDICT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Reached:
    """An address that shook hands."""

    address: Address
    handshake: Handshake


async def handshakes(
    addresses: Sequence[Address], trust: Trust, *, about: str, deadline_s: float
) -> tuple[Finding, Reached | None]:
    """The finding of TLS, and the first address that is good."""
    results = await asyncio.gather(*(_tried(item, trust, deadline_s) for item in addresses))
    good = [item for item in results if isinstance(item, Reached)]
    bad = [item for item in results if isinstance(item, Missed)]
    if not good:
        finding = answers.missed(bad[0].failure, about=about, rung="tls")
        return await _with_issuer(finding, addresses[0], trust, deadline_s), None
    finding = _agreed(good[0].handshake, trust, about)
    if bad:
        told = answers.missed(bad[0].failure, about=about, rung="tls")
        finding = replace(told, result="warn", detail=f"{finding.detail}; but {told.detail}")
    return finding, good[0]


async def _tried(address: Address, trust: Trust, deadline_s: float) -> Reached | Missed:
    try:
        async with asyncio.timeout(deadline_s):
            link, handshake = await dial(address, trust)
    except TimeoutError:
        return Missed("tls_timeout", f"no handshake in {deadline_s:g} s")
    except Missed as missed:
        return missed
    await link.close()
    return Reached(address, handshake)


def _agreed(handshake: Handshake, trust: Trust, about: str) -> Finding:
    group = f", {handshake.group}" if handshake.group else ""
    detail = f"{handshake.version}{group}, {handshake.cipher}; it is {handshake.peer}"
    detail += f", {handshake.server}"
    offered = trust.spec.alpn
    if handshake.alpn:
        detail += f"; speaks {handshake.alpn}"
    elif offered:
        detail += "; names no application protocol"
    # A server that chooses none (RFC 7301 section 3.2) is spoken to as HTTP/1.1 all the same.
    return Finding(rung="tls", about=about, result="pass", detail=detail)


async def _with_issuer(
    finding: Finding, address: Address, trust: Trust, deadline_s: float
) -> Finding:
    """The finding, with who signed the certificate of a server that isn't trusted."""
    if "trust bundle" not in finding.detail or not address[1]:
        return finding
    try:
        async with asyncio.timeout(deadline_s):
            leaf = await shown_by(address, trust.spec.server_name)
    except TimeoutError:
        return finding
    issuer = issuer_in(leaf) if leaf is not None else ""
    if not issuer:
        return finding
    detail = f"{finding.detail} (it shows one of {issuer})"
    remedy = (
        "put that authority into the route's trust_bundle, if it is the one that should be there; "
        "else somebody stands in between"
    )
    return replace(finding, detail=detail, remedy=remedy)


async def verdict(reached: Reached, trust: Trust, *, about: str, deadline_s: float) -> Finding:
    """Whether the server accepts our certificate, where nothing can be asked of it: it has some
    time to refuse.
    """
    try:
        async with asyncio.timeout(deadline_s):
            link, handshake = await dial(reached.address, trust)
        try:
            await _listened(link)
        finally:
            await link.close()
    except TimeoutError:
        return Finding(
            rung="accepted",
            about=about,
            result="fail",
            detail=f"no handshake in {deadline_s:g} s with our certificate",
            remedy=explanation("tls_timeout").remedy,
            reason="tls_timeout",
        )
    except Missed as missed:
        return answers.missed(missed.failure, about=about, rung="accepted")
    return accepted(handshake, about=about, how=f"didn't refuse it in {VERDICT_S:g} s")


async def _listened(link: TlsLink) -> None:
    """Return when the server said something, or nothing for a while. Raises `Missed`."""
    try:
        async with asyncio.timeout(VERDICT_S):
            if not await link.receive():
                raise Missed("upstream_closed", "the server hung up, without a reason")
    except TimeoutError:
        return


def accepted(handshake: Handshake, *, about: str, how: str) -> Finding:
    """The finding for a server that went on after our certificate. `how` it shows."""
    if handshake.asked:
        detail = f"the server asked for our certificate, and {how}"
        return Finding(rung="accepted", about=about, result="pass", detail=detail)
    return Finding(
        rung="accepted",
        about=about,
        result="warn",
        detail="the server didn't ask for a certificate: it doesn't know who calls, or by headers "
        "only",
        remedy="let the upstream require client certificates, if it should",
    )
