"""The header firewall of one route: what the upstream gets to see, and what the client does.

Pure: compiled once from a `RouteSpec`, then applied to each request and response.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.data_plane.challenge import with_metadata, without_metadata
from gateway.data_plane.edits import ResponseEdits
from gateway.data_plane.mcp_peek import PEEKED_BYTES
from gateway.data_plane.oauth_metadata import announced
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.scrub import scrubbed, scrubbed_line
from gateway.data_plane.wire.fields import Field, FieldLines, NameTable, folded, name_of
from gateway.data_plane.wire.request import MEMORABLE, WELL_KNOWN, RequestField, RequestHead
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
        b"x-real-ip",
    )
)
# What proves a caller: the route's own credentials stand in their place.
_PROXY_CREDENTIALS: Final = frozenset((folded(b"proxy-authorization"),))
_CREDENTIALS: Final = _PROXY_CREDENTIALS | {
    folded(name) for name in (b"authorization", b"x-api-key", b"cookie")
}
_EVIDENCE: Final = folded(b"x-forwarded-client-cert")
_VIA_NAME: Final = folded(b"via")
# RFC 9110 section 7.6.3: by what a request came here, and a name for who passes it on.
_VIA: Final = tuple(b"Via: 1.%d devwiz-gw\r\n" % minor for minor in (0, 1))
_NO_VIA: Final = (b"", b"")
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
    b"max-forwards": RequestField.MAX_FORWARDS,
    b"x-devwiz-gw-token": RequestField.LOCAL_TOKEN,
}
_LOOK_ALIKES: Final = frozenset(map(folded, _DECIDING))
# Some servers don't read a body with these methods and would take it for the next request: they
# are told that none follows.
_BODILESS: Final = frozenset((b"GET", b"HEAD"))
_NO_CONTENT: Final = frozenset((b"", b"Content-Length: 0\r\n"))
# RFC 9728 section 3, RFC 8414 section 3, OpenID Connect Discovery section 4.
_OF_OAUTH: Final = tuple(
    WELL_KNOWN + name
    for name in (
        b"oauth-protected-resource",
        b"oauth-authorization-server",
        b"openid-configuration",
    )
)
#: Of a body that may have to be sent once more: calls of agents are shorter, uploads longer.
_HELD_BYTES: Final = 65_536
UPGRADES: Final = frozenset((b"websocket",))
# Fields of these names are forwarded, but their values aren't kept in the worker's memory.
_SECRETIVE: Final = re.compile(rb"token|secret|key|auth|session|cookie|password")


class HeaderRules:
    """Applies one route's header policy.

    A client's field is stripped when its name, by its letters and digits alone, is hop-by-hop, a
    credential, a forwarding statement or one of the route's own headers, unless the route passes it
    through. The route's own headers are attached last, from the snapshot only.

    Attributes:
        edits: what is changed in bodies.
        attached: the route's own lines, whole and secret.
        refreshable: whether others can be had for them when the upstream refuses these.
        held_bytes: how much of a body that comes behind its head is kept until the answer.
    """

    __slots__ = (
        "_credentials",
        "_host",
        "_injects",
        "_managed",
        "_maps_metadata",
        "_origin",
        "_passed",
        "_secrets",
        "_via",
        "attached",
        "edits",
        "held_bytes",
        "lines",
        "refreshable",
    )

    def __init__(self, spec: RouteSpec) -> None:
        self._passed = frozenset(name.encode("ascii") for name in spec.pass_headers)
        # A remote workload's own credentials are meant for the local agent.
        self._injects = spec.auth == "inject" and not spec.ingress
        self._credentials = _PROXY_CREDENTIALS if spec.ingress else _CREDENTIALS
        managed = {folded(name.encode("ascii")) for name, _ in spec.headers}
        self._managed = managed | {_EVIDENCE} if spec.ingress else managed
        self.lines = FieldLines(NameTable(self._classify), MEMORABLE)
        self._via = _NO_VIA if _VIA_NAME in managed else _VIA
        self._host = b"Host: %b\r\n" % spec.upstream.authority.encode("ascii")
        self._origin = OriginMap(spec)
        self._maps_metadata = spec.rewrite_metadata
        self.edits = ResponseEdits(spec, self._origin)
        self.attached = b"".join(
            b"%b: %b\r\n" % (name.encode("ascii"), value.encode("latin-1"))
            for name, value in spec.headers
        )
        self.refreshable = spec.refreshable
        self.held_bytes = _HELD_BYTES if spec.refreshable else PEEKED_BYTES
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
        lines += (self._via[request.minor], request.body.framing)
        if request.upgrade in UPGRADES:
            lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % request.upgrade)
        elif request.method in _BODILESS and request.body.framing not in _NO_CONTENT:
            request.ends_connection = True
            lines.append(b"Connection: close\r\n")
        lines.append(self.attached)
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
            response.forwarded[index] = self._located(response.forwarded[index], local)
        if response.upgrade in UPGRADES:
            connection += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.upgrade
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

    def hides(self, target: bytes) -> bool:
        """Whether the well-known `target` would tell the client where to get a token that it can't
        use: the route's own stands in its place.
        """
        return self._injects and target.startswith(_OF_OAUTH)

    def _located(self, line: bytes, local: bytes) -> bytes:
        """A line that says where to go, as the client may follow it."""
        name, value = _name_and_value(line)
        small = name.lower()
        if small == b"link":
            value = self._origin.links(value, local)
        elif small != b"www-authenticate":
            value = self._origin.location(value, local)
        elif self._injects:
            value = without_metadata(value)
        elif self._maps_metadata:
            value = with_metadata(value, lambda url: announced(url, local, self._origin))
        else:
            return line
        return b"%b: %b\r\n" % (name, value)

    def trailers(self, fields: list[Field]) -> bytes:
        """The trailer lines for the client."""
        lines = [scrubbed_line(b"%b: %b\r\n" % field, self._secrets) for field in fields]
        return trailer_lines([_name_and_value(line) for line in lines if line])


def _name_and_value(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.removesuffix(b"\r\n").partition(b": ")
    return name, value
