"""How a local client reaches a route: one of its listeners, and what it has to send there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from gateway.config.model import TcpAddress, UnixAddress

#: By which a caller proves that it may use a route (`[[routes.allow]]`).
PROOF_HEADER: Final = "X-Devwiz-Gw-Token"

# By number, not by name: "localhost" means an address of either family, and some clients try only
# one of them.
_LOOPBACKS: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One way to a route.

    Attributes:
        url: with the path that was asked for.
        socket: path of a Unix socket that `url` is to be asked on; "" for its own host and port.
        token: the value of `PROOF_HEADER`, "" for none.
    """

    route: str
    url: str
    socket: str = ""
    token: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request has to carry."""
        return {PROOF_HEADER: self.token} if self.token else {}


def access_to(
    route: str, listeners: Sequence[TcpAddress | UnixAddress], *, path: str, token: str = ""
) -> Access:
    """The way by the nearest of a route's listeners, of which there is at least one; a Unix socket
    is the last choice, because few clients know what to do with it.
    """
    nearest = min(listeners, key=_distance)
    if isinstance(nearest, UnixAddress):
        url = f"http://localhost{path}"
        return Access(route=route, url=url, socket=str(nearest.path), token=token)
    if ip_address(nearest.host).is_unspecified:
        # Whoever listens everywhere is reached on loopback too.
        nearest = TcpAddress(_LOOPBACKS[":" in nearest.host], nearest.port)
    return Access(route=route, url=f"http://{nearest}{path}", token=token)


def _distance(address: TcpAddress | UnixAddress) -> int:
    if isinstance(address, UnixAddress):
        return 4
    if address.host in _LOOPBACKS:
        return _LOOPBACKS.index(address.host)
    return 2 if ip_address(address.host).is_unspecified else 3
