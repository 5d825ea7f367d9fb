"""Which names and lifetimes the issuer grants. Pure.

A join token binds a workload's names when an operator makes it; a signing request may repeat them
and may not change them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from certs.csr import SigningRequest
from certs.errors import CertsError
from certs.issuer.refusal import Code, Refused
from certs.profiles import LeafNames
from identity.spiffe import SpiffeId, TrustDomain

#: Below it a slow reply would cost the part of a life in which its renewal can still be repeated.
MIN_LEAF_LIFE: Final = timedelta(seconds=10)
MAX_LEAF_LIFE: Final = timedelta(hours=24)
MAX_TOKEN_LIFE: Final = timedelta(days=365)
MAX_TOKEN_USES: Final = 1_000_000

#: Ids below this path are the issuer's own: a workload that had one could pose as the issuer.
RESERVED_PATH: Final = "/devwiz-gw"
ISSUER_PATH: Final = f"{RESERVED_PATH}/issuer"

_ANY_AGENT: Final = "/agent/*"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_MAX_DNS_NAME: Final = 253
_MAX_DNS_NAMES: Final = 32


class InvalidPolicy(CertsError):
    """An operator asked for a name or lifetime that the issuer doesn't grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a join token grants: one workload's names and the longest life of its certificates.

    A token may be for any of a workload's agents: its SPIFFE id is then a pattern, `ID/agent/*`,
    and a signing request has to name one.
    """

    workload: str
    names: LeafNames
    max_life: timedelta

    @property
    def is_pattern(self) -> bool:
        """Whether the SPIFFE id is a pattern."""
        return self.names.spiffe_id.endswith(_ANY_AGENT)


def bind(
    *,
    trust_domain: str,
    workload: str,
    path: str | None,
    dns_names: Sequence[str],
    max_life: timedelta,
    derive: bool = False,
) -> Binding:
    """Check an operator's wishes for a workload; `path` defaults to `/agent/<workload>`. With
    `derive` it is for agents of the workload instead of itself.

    Raises:
        InvalidPolicy: a name that can't be used, a reserved one, a lifetime out of range.
        InvalidSpiffeId: the path breaks the SPIFFE grammar.
    """
    if not _NAME.fullmatch(workload):
        raise InvalidPolicy(
            f"workload name {workload!r} is not usable",
            hint="use 1–63 of a–z, 0–9, '.', '_', '-', starting with a letter or digit",
        )
    if not MIN_LEAF_LIFE <= max_life <= MAX_LEAF_LIFE:
        raise InvalidPolicy(
            f"a certificate life of {max_life} is out of range", hint="use 10 seconds to 24 hours"
        )
    path = path or f"/agent/{workload}"
    path = path if path.startswith("/") else f"/{path}"
    spiffe_id = SpiffeId(TrustDomain(trust_domain), path)
    if spiffe_id.path == RESERVED_PATH or spiffe_id.path.startswith(f"{RESERVED_PATH}/"):
        raise InvalidPolicy(
            f"the path {spiffe_id.path} is reserved for the issuer",
            hint=f"choose a path outside {RESERVED_PATH}",
        )
    text = f"{spiffe_id}{_ANY_AGENT}" if derive else str(spiffe_id)
    names = LeafNames(spiffe_id=text, dns_names=checked_dns_names(dns_names))
    return Binding(workload=workload, names=names, max_life=max_life)


def checked_dns_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names in lower case, once each, in the order given.

    Raises:
        InvalidPolicy: one is not a plain host name (no wildcard, no address), or they are too many.
    """
    unique = tuple(dict.fromkeys(name.lower() for name in names))
    for name in unique:
        if len(name) > _MAX_DNS_NAME or not _DNS_NAME.fullmatch(name) or _is_numeric(name):
            raise InvalidPolicy(
                f"DNS name {name!r} is not usable",
                hint="use a host name in letters, digits, '-' and '.'; no wildcard, no address",
            )
    if len(unique) > _MAX_DNS_NAMES:
        raise InvalidPolicy(f"{len(unique)} DNS names are too many", hint="use 32 at most")
    return unique


def granted(binding: Binding, request: SigningRequest) -> Binding:
    """What a token grants to who joins with this request: the one agent that it names, where the
    token is for any.

    Raises:
        Refused: `names_refused`, as `check_request` does, or no agent is named.
    """
    if binding.is_pattern:
        above = binding.names.spiffe_id.removesuffix("*")
        agents = [
            name
            for name in request.spiffe_ids
            if name.startswith(above) and _NAME.fullmatch(name.removeprefix(above))
        ]
        if len(agents) != 1:
            raise Refused(
                Code.NAMES_REFUSED,
                "the token is for agents of a workload, and the signing request names none of them",
                hint=f"ask for one SPIFFE id like {binding.names.spiffe_id}",
            )
        binding = replace(binding, names=replace(binding.names, spiffe_id=agents[0]))
    check_request(request, binding.names)
    return binding


def check_request(request: SigningRequest, names: LeafNames) -> None:
    """Hold a signing request's wishes against the names that policy gives: absent or equal.

    Raises:
        Refused: `names_refused`, naming what was asked for beyond them.
    """
    foreign = [name for name in request.spiffe_ids if name != names.spiffe_id]
    if not foreign and request.dns_names and set(request.dns_names) != set(names.dns_names):
        foreign = sorted(set(request.dns_names) ^ set(names.dns_names))
    if not foreign and not request.foreign_names:
        return
    raise Refused(
        Code.NAMES_REFUSED,
        "the signing request asks for names that policy doesn't give",
        hint=f"leave names out of the request, or ask for {names.spiffe_id} as the token says",
    )


def leaf_life(*, default: timedelta, cap: timedelta, now: datetime, end: datetime) -> timedelta:
    """How long a new leaf lives: the issuer's default, the token's cap, its authority's own end.

    Raises:
        Refused: `authority_expired`: too little of the authority's life is left for a leaf.
    """
    life = min(default, cap, end - now)
    if life < MIN_LEAF_LIFE:
        raise Refused(
            Code.AUTHORITY_EXPIRED,
            "the issuing authority has expired or is about to",
            hint="the issuer's operator must make a new authority",
        )
    return life


def _is_numeric(name: str) -> bool:
    # A host name's last label is never all digits: that would be an IPv4 address (RFC 3696 §2).
    return name.rsplit(".", 1)[-1].isdigit()
