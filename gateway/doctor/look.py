"""A look at an upstream before anything is configured: which names its certificate carries.

Nobody checks that certificate here, because there is nothing yet to check it by.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes

from certs.errors import InvalidCertificate, PeerRejected
from certs.names import dns_names, extensions_of, ip_names, uri_names
from certs.peer import names_of, peer_matches
from gateway.config.addresses import is_ip
from gateway.config.peers import peer_for_host, peer_name
from gateway.config.table import Rejected
from gateway.doctor.link import issuer_in, shown_by
from gateway.doctor.reach import Lookup, open_ports, resolve

if TYPE_CHECKING:
    from cryptography import x509

#: A stranger's certificate may carry as many as it likes.
_MOST_NAMES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server showed.

    Attributes:
        names: those by which a route can expect it, the most telling first.
        is_of_host: whether it carries the host's own name.
        text: names, issuer, end and fingerprint, for people.
    """

    names: tuple[str, ...]
    is_of_host: bool
    text: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why there was nothing to see."""

    why: str


async def look(host: str, port: int, *, lookup: Lookup, deadline_s: float) -> Shown | Unseen:
    """Connect to the upstream as far as it shows a certificate."""
    found, addresses = await resolve([(host, port)], about="", lookup=lookup, deadline_s=deadline_s)
    if not addresses:
        return Unseen(found.detail)
    found, addresses = await open_ports(addresses, about="", deadline_s=deadline_s)
    if not addresses:
        return Unseen(found.detail)
    try:
        async with asyncio.timeout(deadline_s):
            leaf = await shown_by(addresses[0], "" if is_ip(host) else host)
    except TimeoutError:
        leaf = None
    if leaf is None:
        return Unseen("it shows no certificate: is that a TLS port?")
    return shown(leaf, host)


def shown(leaf: x509.Certificate, host: str) -> Shown:
    """What the certificate of `host` says."""
    own = str(peer_for_host(host))
    end = leaf.not_valid_after_utc.isoformat(timespec="seconds").replace("+00:00", "Z")
    issuer = issuer_in(leaf) or "an authority without a name"
    text = f"{names_of(leaf)}, issued by {issuer} until {end}"
    text += f", SHA-256 {leaf.fingerprint(hashes.SHA256()).hex()}"
    return Shown(names=_usable(leaf), is_of_host=_carries(leaf, own), text=text)


def _carries(leaf: x509.Certificate, name: str) -> bool:
    try:
        peer_matches(leaf, [name])
    except PeerRejected:
        return False
    return True


def _usable(leaf: x509.Certificate) -> tuple[str, ...]:
    """Its names as `peer` takes them, those only by which it would be recognised."""
    try:
        extensions = extensions_of(leaf)
    except InvalidCertificate:
        return ()
    carried = [
        *uri_names(extensions),
        *(f"dns:{name}" for name in dns_names(extensions)),
        *(f"ip:{address}" for address in ip_names(extensions)),
    ]
    names = []
    for text in carried[:_MOST_NAMES]:
        try:
            name = str(peer_name(text))
        except Rejected:
            continue
        if _carries(leaf, name):
            names.append(name)
    return tuple(names)
