"""What is examined, and by what means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway.config.model import Config
from gateway.control_plane.snapshots import Attached
from gateway.doctor.reach import Lookup


class Running(Protocol):
    """The running gateway. Both raise `Fault`, and `NotRunning` where there is none."""

    async def status(self) -> dict[str, Any]:
        """The document of `GET /status`."""
        ...

    async def certificates(self, identity: str) -> dict[str, Any]:
        """The document of `GET /identity/certificates`: what is public of an identity."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What doctor does its work with.

    Attributes:
        now: the present.
        env: the environment, for proxies and for credentials that are in it.
        lookup: asks DNS.
        local_token: reads a local token by the name of its secret; "" where it can't be had.
        deadline_s: of each step.
        join: whether an identity may be asked for where that is not free of consequences.
        path: where MCP would be at an upstream.
        version: our own.
    """

    now: Callable[[], datetime]
    env: Mapping[str, str]
    lookup: Lookup
    local_token: Callable[[str], Awaitable[str]]
    deadline_s: float
    join: bool
    path: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held:
    """What there is of one identity; `why_not` says why there is no certificate to show.

    `key_pem` is only there where doctor obtained the identity itself. `bundle_pem` may be known
    without a certificate, from an issuer that tells everybody whom it trusts.
    """

    chain_pem: bytes = b""
    key_pem: bytes = b""
    bundle_pem: bytes = b""
    crl_pem: bytes = b""
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Known:
    """What was found about everything before routes are looked at, by identity and by route.

    `status` is that of the gateway `running`, both None where none runs; `attached` is what routes'
    headers came to, where doctor read them itself.
    """

    config: Config
    status: Mapping[str, Any] | None
    running: Running | None = None
    held: Mapping[str, Held] = field(default_factory=dict)
    attached: Mapping[str, Attached] = field(default_factory=dict)

    def route_status(self, name: str) -> Mapping[str, Any]:
        """What the running gateway says of a route; empty where it has none of that name."""
        return of_route(self.status or {}, name)


def of_route(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A route in the document of `GET /status`; empty where there is none of that name."""
    for item in status.get("routes") or ():
        if item.get("name") == name:
            found: Mapping[str, Any] = item
            return found
    return {}
