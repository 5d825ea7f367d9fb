"""Maps what an upstream says of its own origin to the origin that its client knows. Pure."""

from __future__ import annotations

import re
from typing import Final

from gateway.ipc.snapshot import RouteSpec

# An origin ends where one of these begins, or nothing does: "https://agent.example.evil" and
# "https://agent.example@evil" have other hosts (RFC 3986 section 3.2).
_ORIGIN_ENDS: Final = rb"(?=[/?#>]|\Z)"


class OriginMap:
    """The mapping of one route. `local` is the authority that the client's requests name."""

    __slots__ = ("_link", "_local_scheme", "_location", "_origins", "_own")

    def __init__(self, spec: RouteSpec) -> None:
        authority = spec.upstream.authority.encode("ascii").lower()
        scheme, self._local_scheme, own_port = b"https://", b"http://", b":443"
        if spec.ingress:
            scheme, self._local_scheme, own_port = self._local_scheme, scheme, b":80"
        has_port = b":" in authority.rpartition(b"]")[2]
        ports = (b"",) if has_port else (b"", own_port)
        self._origins = tuple(scheme + authority + port for port in ports)
        self._own = re.compile(_any_of(self._origins), re.IGNORECASE)
        # The same again without the scheme, which is that of whoever asks (RFC 3986 section 4.2).
        without_scheme = (b"//" + authority + port for port in ports)
        # Behind something that ends TLS for it, an upstream takes the authority from Host and
        # doesn't know that there is TLS.
        said = _any_of((*self._origins, b"http://" + authority, *without_scheme))
        # Only at the start: behind that the origin is another site's parameter.
        self._location = re.compile(rb"(\A)" + said, re.IGNORECASE)
        self._link = re.compile(rb"((?:\A|,)[ \t]*<)" + said, re.IGNORECASE)

    def localised(self, url: bytes, local: bytes) -> bytes:
        """A URL with the client's origin in place of the upstream's own; any other one as it is."""
        found = self._own.match(url)
        return self._local_scheme + local + url[found.end() :] if found else url

    def may_begin(self, text: bytes) -> bool:
        """Whether a URL that begins with `text` may be of the upstream's own origin."""
        small = text.lower()
        return any(origin.startswith(small) or small.startswith(origin) for origin in self._origins)

    def location(self, value: bytes, local: bytes) -> bytes:
        """The same for the value of Location or Content-Location, whose scheme may be wrong."""
        return self._location.sub(lambda found: found[1] + self._local_scheme + local, value)

    def links(self, value: bytes, local: bytes) -> bytes:
        """The same for each target of a Link header (RFC 8288 section 3)."""
        return self._link.sub(lambda found: found[1] + self._local_scheme + local, value)


def _any_of(origins: tuple[bytes, ...]) -> bytes:
    return b"(?:%b)%b" % (b"|".join(map(re.escape, origins)), _ORIGIN_ENDS)
