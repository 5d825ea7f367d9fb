"""The header firewall of one route: what the upstream gets to see, and what the client does.

Pure: compiled once from a `RouteSpec`, then applied to each request and response.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.data_plane.scrub import scrubbed, scrubbed_line
from gateway.data_plane.wire.fields import Field, FieldLines, NameTable, folded, name_of
from gateway.data_plane.wire.request import MEMORABLE, RequestField, RequestHead
from gateway.data_plane.wire.response import ResponseHead, trailer_lines
from gateway.ipc.snapshot import RouteSpec

# Hop-by-hop (RFC 9110 section 7.6.1), or a statement about hops that only a trusted hop may make.
_STRIPPED: Final = frozenset(
    folded(name)
    for name in (
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"http2-settings",
        b"forwarded",
        b"via",
        b"x-real-ip",
    )
)
# What proves a caller: the route's own credentials stand in their place.
_PROXY_CREDENTIALS: Final = frozenset((folded(b"proxy-authorization"),))
_CREDENTIALS: Final = _PROXY_CREDENTIALS | {
    folded(name) for name in (b"authorization", b"x-api-key", b"cookie")
}
_EVIDENCE: Final = folded(b"x-forwarded-client-cert")
_DECIDING: Final[dict[bytes, RequestField]] = {
    b"host": RequestField.HOST,
    b"content-length": RequestField.LENGTH,
    b"transfer-encoding": RequestField.ENCODING,
    b"connection": RequestField.CONNECTION,
    b"upgrade": RequestField.UPGRADE,
    b"origin": RequestField.ORIGIN,
    b"sec-fetch-site": RequestField.FETCH_SITE,
    b"mcp-method": RequestField.MCP_METHOD,
    b"mcp-name": RequestField.MCP_NAME,
    b"traceparent": RequestField.TRACEPARENT,
    b"expect": RequestField.EXPECT,
    b"x-devwiz-gw-token": RequestField.LOCAL_TOKEN,
}
_LOOK_ALIKES: Final = frozenset(map(folded, _DECIDING))
# Some servers don't read a body with these methods and would take it for the next request: they
# are told that none follows.
_BODILESS: Final = frozenset((b"GET", b"HEAD"))
_NO_CONTENT: Final = frozenset((b"", b"Content-Length: 0\r\n"))
UPGRADES: Final = frozenset((b"websocket",))
# Fields of these names are forwarded, but their values aren't kept in the worker's memory.
_SECRETIVE: Final = re.compile(rb"token|secret|key|auth|session|cookie|password")


class HeaderRules:
    """Applies one route's header policy.

    A client's field is stripped when its name, by its letters and digits alone, is hop-by-hop, a
    credential, a forwarding statement or one of the route's own headers, unless the route passes it
    through. The route's own headers are attached last, from the snapshot only.
    """

    __slots__ = (
        "_attached",
        "_credentials",
        "_host",
        "_link",
        "_local_scheme",
        "_location",
        "_managed",
        "_passed",
        "_secrets",
        "lines",
    )

    def __init__(self, spec: RouteSpec) -> None:
        self._passed = frozenset(name.encode("ascii") for name in spec.pass_headers)
        # A remote workload's own credentials are meant for the local agent.
        self._credentials = _PROXY_CREDENTIALS if spec.ingress else _CREDENTIALS
        managed = {folded(name.encode("ascii")) for name, _ in spec.headers}
        self._managed = managed | {_EVIDENCE} if spec.ingress else managed
        self.lines = FieldLines(NameTable(self._classify), MEMORABLE)
        authority = spec.upstream.authority.encode("ascii")
        self._host = b"Host: %b\r\n" % authority
        self._local_scheme = b"https://" if spec.ingress else b"http://"
        origin = _origin(authority, ingress=spec.ingress)
        # Only at the start: behind that the origin is another site's parameter.
        self._location = re.compile(rb"(\A)" + origin, re.I)
        self._link = re.compile(rb"((?:\A|,)[ \t]*<)" + origin, re.I)
        self._attached = b"".join(
            b"%b: %b\r\n" % (name.encode("ascii"), value.encode("latin-1"))
            for name, value in spec.headers
        )
        # Longest first, so that a secret that contains another is replaced whole.
        self._secrets = tuple(
            sorted((value.encode("latin-1") for value in spec.redact if value), key=len)[::-1]
        )

    def _classify(self, name: bytes) -> int:
        letters = folded(name)
        if letters in self._managed:
            return RequestField.CREDENTIAL
        if name in _DECIDING:
            return _DECIDING[name]
        if name in self._passed:
            return RequestField.PASSED
        if letters in self._credentials:
            return RequestField.CREDENTIAL
        if letters in _STRIPPED or letters.startswith(b"xforwarded") or letters in _LOOK_ALIKES:
            # The last: "content_length" and the like, which some servers read as the real one.
            return RequestField.STRIP
        return RequestField.PASSED if _SECRETIVE.search(letters) else RequestField.FORWARD

    def screened(self, lines: list[bytes]) -> list[bytes]:
        """Those of lines let through by other rules that pass these too."""
        stopped = (RequestField.STRIP, RequestField.CREDENTIAL)
        return [line for line in lines if self.lines.names[name_of(line)] not in stopped]

    def request_head(self, request: RequestHead, evidence: bytes = b"") -> bytes:
        """The head for the upstream: the client's fields that pass, framing, our credentials, and
        the line that tells of a remote caller.
        """
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target), self._host]
        lines += request.forwarded
        lines.append(request.body.framing)
        if request.upgrade in UPGRADES:
            lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % request.upgrade)
        elif request.method in _BODILESS and request.body.framing not in _NO_CONTENT:
            request.ends_connection = True
            lines.append(b"Connection: close\r\n")
        lines.append(self._attached)
        if evidence:
            lines.append(evidence)
        lines.append(b"\r\n")
        return b"".join(lines)

    def response_head(self, response: ResponseHead, *, local: bytes, connection: bytes) -> bytes:
        """The head for the client.

        `local` is the authority that the client used: addresses of the upstream's origin in
        Location, Content-Location and Link are mapped to it. `connection` is a whole Connection
        line or b"".
        """
        for index in response.locations:
            name, value = _name_and_value(response.forwarded[index])
            origin = self._link if name.lower() == b"link" else self._location
            value = origin.sub(rb"\1" + self._local_scheme + local, value)
            response.forwarded[index] = b"%b: %b\r\n" % (name, value)
        if response.upgrade in UPGRADES:
            connection = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.upgrade
        reason = response.reason
        fields = b"".join(response.forwarded)
        secrets = self._secrets
        for secret in secrets:
            # A secret in a URL is likely to be encoded there.
            if secret in fields or secret in reason or b"%" in fields:
                reason = scrubbed(reason, secrets)
                fields = b"".join([scrubbed_line(line, secrets) for line in response.forwarded])
                break
        return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (
            response.status,
            reason,
            fields,
            response.body.framing,
            connection,
        )

    def trailers(self, fields: list[Field]) -> bytes:
        """The trailer lines for the client."""
        lines = [scrubbed_line(b"%b: %b\r\n" % field, self._secrets) for field in fields]
        return trailer_lines([_name_and_value(line) for line in lines if line])


def _origin(authority: bytes, *, ingress: bool) -> bytes:
    """A pattern of the origins by which an upstream calls itself: behind something that ends TLS
    for it, it takes the authority from Host and doesn't know that there is TLS.
    """
    host = re.escape(authority)
    has_port = b":" in authority.rpartition(b"]")[2]
    if ingress:
        origins = b"http://" + host + (b"" if has_port else b"(?::80)?")
    elif has_port:
        origins = b"https?://" + host
    else:
        origins = b"https://%b(?::443)?|http://%b" % (host, host)
    return b"(?:%b)(?=[/?#>]|\\Z)" % origins


def _name_and_value(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.removesuffix(b"\r\n").partition(b": ")
    return name, value
