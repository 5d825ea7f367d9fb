"""The head of a request: parsed once, every field classified, one framing decision.

Source: RFC 9112 sections 3 and 6, RFC 9110 sections 7 and 9.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from gateway.data_plane.wire.body import NO_BODY, Body, Chunked, FixedLength
from gateway.data_plane.wire.fields import Field, NameTable, parse_fields, parse_token_list
from gateway.data_plane.wire.violation import ProtocolViolation


class RequestField(IntEnum):
    """What happens to a request field. `FORWARD` is 0: the common case is one truth test."""

    FORWARD = 0
    STRIP = 1
    CREDENTIAL = 2  # stripped, and never to be nominated by Connection
    HOST = 3
    LENGTH = 4
    ENCODING = 5
    CONNECTION = 6
    UPGRADE = 7
    ORIGIN = 8
    FETCH_SITE = 9
    MCP_METHOD = 10
    MCP_NAME = 11
    LOCAL_TOKEN = 12


# Visible ASCII but '#' and '\\', which many servers read as '/': the bytes are forwarded as they
# came, never decoded or normalised.
_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}+) ([\x21\x22\x24-\x5b\x5d-\x7e]++) HTTP/1\.([01])\r\n"
)
_ABSOLUTE: Final = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#@]++)(/[^#]*+)?")
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%\-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?"
)
_REFUSED_METHODS: Final = frozenset((b"CONNECT", b"TRACE"))
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class RequestHead:
    """One request head, ready to be forwarded.

    Attributes:
        method, target: as sent; `target` is in origin form ("/path?query") or "*".
        minor: minor HTTP version, 0 or 1.
        host: the Host value, lower case.
        forwarded: fields to pass on, in order, spelled as sent.
        body: tracker of the request's body.
        keep_alive: whether the client wants its connection kept.
        upgrade: the lower-case protocol of a well-formed Upgrade request, else b"".
        origin, fetch_site: those headers' values or None; `origin` is b"" when sent repeatedly.
        local_token: value of X-Devwiz-Gw-Token, b"" when absent; it is never forwarded.
        mcp_method, mcp_name: values of Mcp-Method and Mcp-Name, b"" when absent.
    """

    __slots__ = (
        "body",
        "fetch_site",
        "forwarded",
        "host",
        "keep_alive",
        "local_token",
        "mcp_method",
        "mcp_name",
        "method",
        "minor",
        "origin",
        "target",
        "upgrade",
    )

    method: bytes
    target: bytes
    minor: int
    host: bytes
    forwarded: list[Field]
    body: Body
    keep_alive: bool
    upgrade: bytes
    origin: bytes | None
    fetch_site: bytes | None
    local_token: bytes
    mcp_method: bytes
    mcp_name: bytes


def _unreadable() -> RequestHead:
    request = RequestHead()
    request.method = request.target = b"-"
    request.minor = 1
    request.host = request.upgrade = request.local_token = request.mcp_method = request.mcp_name = (
        b""
    )
    request.forwarded = []
    request.body = NO_BODY
    request.keep_alive = False
    request.origin = request.fetch_site = None
    return request


#: Stands in for a request that could not be read, where an answer or a log line needs one.
UNREADABLE: Final = _unreadable()


def parse_request_head(head: bytes, names: NameTable) -> RequestHead:
    """Parse the bytes up to and including the empty line.

    `names` says what becomes of each field (`RequestField`); unknown names are forwarded.

    Raises:
        ProtocolViolation: with the status to answer; the connection must be closed.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise ProtocolViolation(
            "bad_request_line", "the first line is not an HTTP/1.1 request line"
        )
    request = RequestHead()
    request.method, request.target = line[1], line[2]
    request.minor = line[3][0] - 0x30
    request.upgrade = request.local_token = request.mcp_method = request.mcp_name = b""
    request.origin = request.fetch_site = None
    special: dict[int, bytes] = {}
    forwarded = request.forwarded = []
    for field in parse_fields(head[line.end() : -2]):
        code = names[field[0]]
        if not code:
            forwarded.append(field)
        elif code > RequestField.CREDENTIAL:
            _note(request, special, code, field)
    _settle_host(request, special)
    _settle_body(request, special)
    _settle_connection(request, special, names)
    return request


def _note(request: RequestHead, special: dict[int, bytes], code: int, field: Field) -> None:
    """Keep a field that needs a decision; those that may stand only once are refused twice."""
    value = field[1]
    if code == RequestField.CONNECTION:
        before = special.get(code)
        special[code] = value if before is None else before + b"," + value
        return
    if code == RequestField.ORIGIN:
        request.origin = value if request.origin is None else b""
        return
    if code in special:
        raise ProtocolViolation("repeated_field", f"{_NAMES[code]} is sent more than once")
    special[code] = value
    if code == RequestField.FETCH_SITE:
        request.fetch_site = value
    elif code == RequestField.LOCAL_TOKEN:
        request.local_token = value
    elif code == RequestField.MCP_METHOD:
        request.mcp_method = value
        request.forwarded.append(field)
    elif code == RequestField.MCP_NAME:
        request.mcp_name = value
        request.forwarded.append(field)


_NAMES: Final[dict[int, str]] = {
    RequestField.HOST: "Host",
    RequestField.LENGTH: "Content-Length",
    RequestField.ENCODING: "Transfer-Encoding",
    RequestField.UPGRADE: "Upgrade",
    RequestField.FETCH_SITE: "Sec-Fetch-Site",
    RequestField.MCP_METHOD: "Mcp-Method",
    RequestField.MCP_NAME: "Mcp-Name",
    RequestField.LOCAL_TOKEN: "X-Devwiz-Gw-Token",
}


def _settle_host(request: RequestHead, special: dict[int, bytes]) -> None:
    """One Host, well formed, and the same as an absolute-form target's authority."""
    host = special.get(RequestField.HOST)
    if not host or not _HOST.fullmatch(host):
        raise ProtocolViolation("bad_host", "the Host header is missing, empty or malformed")
    request.host = host.lower()
    target = request.target
    if b"%00" in target:
        raise ProtocolViolation("bad_target", "the target holds an encoded NUL")
    if request.method.upper() in _REFUSED_METHODS:
        raise ProtocolViolation("refused_method", "CONNECT and TRACE are not forwarded", status=403)
    if target[0] == 0x2F or (target == b"*" and request.method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or absolute[1].lower() != request.host:
        raise ProtocolViolation(
            "bad_target", "the target is not a path, or names another authority"
        )
    # An empty path is "/", but "*" for OPTIONS (RFC 9112 section 3.2.4).
    request.target = absolute[2] or (b"*" if request.method == b"OPTIONS" else b"/")


def _settle_body(request: RequestHead, special: dict[int, bytes]) -> None:
    """RFC 9112 section 6.3, without any of its ways to repair a message."""
    length = special.get(RequestField.LENGTH)
    encoding = special.get(RequestField.ENCODING)
    if encoding is not None:
        if length is not None or request.minor == 0:
            raise ProtocolViolation(
                "ambiguous_length", "Transfer-Encoding with Content-Length or in HTTP/1.0"
            )
        if encoding.lower() != b"chunked":
            raise ProtocolViolation("bad_encoding", "Transfer-Encoding is not exactly 'chunked'")
        request.body = Chunked()
    elif length is None:
        request.body = NO_BODY
    elif _LENGTH.fullmatch(length):
        request.body = FixedLength(int(length))
    else:
        raise ProtocolViolation("bad_length", "Content-Length is not a number")


def _settle_connection(request: RequestHead, special: dict[int, bytes], names: NameTable) -> None:
    """Persistence, upgrade and the removal of nominated fields (RFC 9110 section 7.6.1)."""
    connection = special.get(RequestField.CONNECTION)
    if connection is None:
        request.keep_alive = request.minor == 1
        return
    options = set(parse_token_list(connection))
    request.keep_alive = b"close" not in options and (
        request.minor == 1 or b"keep-alive" in options
    )
    if b"upgrade" in options and request.minor == 1:
        request.upgrade = special.get(RequestField.UPGRADE, b"").lower()
    nominated = options - {b"close", b"keep-alive", b"upgrade"}
    if nominated:
        _strip_nominated(request, nominated, names)


def _strip_nominated(request: RequestHead, nominated: set[bytes], names: NameTable) -> None:
    """A Connection header that nominates what frames, routes or authenticates the message is an
    attack or a bug, never a wish that can be granted.
    """
    for name in nominated:
        if names[name] >= RequestField.CREDENTIAL or name.startswith((b"content-", b"mcp-")):
            raise ProtocolViolation("bad_nomination", "Connection nominates a field that must stay")
    request.forwarded = [item for item in request.forwarded if item[0].lower() not in nominated]
