"""Where an agent's card sends its clients, and where they go instead. Pure."""

from __future__ import annotations

import re
from typing import Final

from gateway.data_plane.origin_map import OriginMap
from gateway.ipc.snapshot import RouteSpec

# gRPC names its servers HOST:PORT, and some write a scheme before that.
_GRPC: Final = re.compile(
    r"(?:(https?|grpcs?|dns):///?)?(\[[0-9A-Fa-f:.]++\]|[^\[\]:/?#@\s]++)(?::([0-9]{1,5}))?"
    r"(?:[/?#].*+)?",
    re.DOTALL | re.IGNORECASE,
)
_ORIGIN: Final = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]{0,15}:)?//)?(?:[^/?#]*@)?([^/?#@]{1,262})")
# What names a host; without a scheme it is that of the card's own URL (RFC 3986 section 4.2).
_NAMES_HOST: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*+:)?//")
_TLS_PORT: Final = "443"


class Places:
    """The mapping of one route.

    Attributes:
        elsewhere: origins that were met and are none of the upstream's, in the order in which they
            came; clients go there directly. A card may have very many.
    """

    __slots__ = ("_host", "_local", "_origin", "_scheme", "_spec", "elsewhere")

    def __init__(self, spec: RouteSpec, origin: OriginMap, local: bytes) -> None:
        self._spec = spec
        self._origin = origin
        self._local = local
        self._host = _host_of(spec.upstream.authority)
        self._scheme = "https://" if spec.ingress else "http://"
        self.elsewhere: dict[str, None] = {}

    def http(self, url: str) -> str:
        """An address that HTTP is spoken at, as the client reaches it."""
        try:
            said = url.encode("ascii")
        except UnicodeEncodeError:
            return self._foreign(url)
        mapped = self._origin.location(said, self._local)
        if mapped == said and _NAMES_HOST.match(url) and not self._is_here(url):
            return self._foreign(url)
        return mapped.decode("ascii")

    def grpc(self, url: str) -> str | None:
        """The same for gRPC; None if it is at the upstream's host, and no route leads there."""
        found = _GRPC.fullmatch(url)
        if found is None or found[2].lower() != self._host:
            return self._foreign(url)
        listeners = self._listeners(f"{self._host}:{found[3] or _TLS_PORT}")
        if not listeners:
            return None
        is_url = (found[1] or "").lower().startswith("http")
        return f"{self._scheme if is_url else ''}{self._nearest(listeners)}"

    def _is_here(self, url: str) -> bool:
        """Whether it is the client's own origin; 127.0.0.1:87010 isn't 127.0.0.1:8701."""
        own = self._scheme + self._local.decode("ascii")
        return url.startswith(own) and url[len(own) : len(own) + 1] in ("", "/", "?", "#")

    def _listeners(self, upstream: str) -> list[str]:
        return [listener for leads_to, listener in self._spec.tunnels if leads_to == upstream]

    def _nearest(self, listeners: list[str]) -> str:
        """The listener under the name by which the client knows this machine, or any."""
        host = _host_of(self._local.decode("ascii"))
        if self._spec.ingress:
            return f"{host}:{listeners[0].rpartition(':')[2]}"
        return next((item for item in listeners if _host_of(item) == host), listeners[0])

    def _foreign(self, url: str) -> str:
        found = _ORIGIN.match(url)
        origin = f"{found[1] or ''}{found[2]}" if found else ""
        if origin:
            self.elsewhere.setdefault(origin)
        return url


def _host_of(authority: str) -> str:
    """Without the port, in small letters."""
    host, colon, _ = authority.rpartition(":")
    return (host if colon and not authority.endswith("]") else authority).lower()
