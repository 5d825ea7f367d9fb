"""The names by which the far side of mutual TLS is recognised, each from its text.

Every function raises `Rejected` for a text that it doesn't accept.
"""

from __future__ import annotations

from typing import Final

from gateway.config.addresses import dns_name, ip_literal, is_ip
from gateway.config.model import PeerName
from gateway.config.table import Rejected
from identity.errors import InvalidSpiffeId
from identity.spiffe import SpiffeId

_SCHEME: Final = "spiffe://"
_WILD: Final = ("*", "**")


def peer_name(text: str) -> PeerName:
    """One name of an upstream: "spiffe://…", "dns:…" or "ip:…"."""
    kind, _, value = text.partition(":")
    if kind == "spiffe":
        return PeerName("spiffe", _spiffe_id(text))
    if kind == "dns":
        if value.startswith("*"):
            raise Rejected("a wildcard names no peer", "write the names that are expected")
        return PeerName("dns", dns_name(value))
    if kind == "ip":
        address = ip_literal(value.removeprefix("[").removesuffix("]"))
        if address is None:
            raise Rejected(f"{value!r} is not an IP address", "write it in numbers")
        return PeerName("ip", str(address))
    raise Rejected(
        f"{text!r} is not a peer name", 'write "spiffe://DOMAIN/PATH", "dns:NAME" or "ip:ADDRESS"'
    )


def peer_for_host(host: str) -> PeerName:
    """The peer name that a host stands for when no `peer` is given."""
    return PeerName("ip" if is_ip(host) else "dns", host)


def caller_pattern(text: str) -> PeerName:
    """Which callers of an ingress are let in: a SPIFFE id in whose path `*` stands for one segment
    and a last `**` for one or more.
    """
    if not text.startswith(_SCHEME):
        hint = f'write "{_SCHEME}DOMAIN/PATH", with "*" or a last "**" in the path'
        raise Rejected(f"{text!r} is not a SPIFFE id", hint)
    domain, *path = text.removeprefix(_SCHEME).split("/")
    if "*" in domain:
        raise Rejected("the trust domain is left open", "write a pattern for each trust domain")
    if "**" in path[:-1]:
        raise Rejected("'**' is not the last part", "it stands for all the rest of a path")
    if any("*" in part and part not in _WILD for part in path):
        raise Rejected("'*' is a part of a segment", "it stands for a whole one")
    _spiffe_id("/".join([_SCHEME + domain, *("any" if part in _WILD else part for part in path)]))
    return PeerName("spiffe", text)


def _spiffe_id(text: str) -> str:
    try:
        return str(SpiffeId.parse_leaf(text))
    except InvalidSpiffeId as error:
        raise Rejected(str(error), error.hint) from None
