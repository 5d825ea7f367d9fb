"""The head of a request: parsed once, every field classified, one framing decision.

Source: RFC 9112 sections 3 and 6, RFC 9110 sections 7 and 9.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import Final

from gateway.data_plane.wire.body import (
    MAX_LENGTH_DIGITS,
    NO_BODY,
    Body,
    Chunked,
    FixedLength,
)
from gateway.data_plane.wire.fields import (
    TOKEN,
    FieldLines,
    NameTable,
    check_line_ends,
    field_lines,
    name_of,
    parse_token_list,
)
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
    LOCAL_TOKEN = 10
    MCP_METHOD = 11  # from here on: looked at, and forwarded
    MCP_NAME = 12
    TRACEPARENT = 13
    EXPECT = 14
    MAX_FORWARDS = 15
    PASSED = 16  # forwarded because the route says so, and never remembered


#: Codes whose lines may be remembered from one request to the next.
MEMORABLE: Final = frozenset(RequestField) - {
    RequestField.STRIP,
    RequestField.CREDENTIAL,
    RequestField.LOCAL_TOKEN,
    RequestField.TRACEPARENT,  # another one with each request
    RequestField.PASSED,
}
# An enum member costs a look-up in its class each time; the codes are compared on the hot path.
_STRIPPED: Final = int(RequestField.CREDENTIAL)
_FORWARDED: Final = int(RequestField.MCP_METHOD)
_HOST_CODE: Final = int(RequestField.HOST)
_LENGTH_CODE: Final = int(RequestField.LENGTH)
_ENCODING: Final = int(RequestField.ENCODING)
_CONNECTION: Final = int(RequestField.CONNECTION)
_UPGRADE: Final = int(RequestField.UPGRADE)
_ORIGIN: Final = int(RequestField.ORIGIN)
_FETCH_SITE: Final = int(RequestField.FETCH_SITE)
_LOCAL_TOKEN: Final = int(RequestField.LOCAL_TOKEN)
_MCP_METHOD: Final = int(RequestField.MCP_METHOD)
_MCP_NAME: Final = int(RequestField.MCP_NAME)
_TRACEPARENT: Final = int(RequestField.TRACEPARENT)
_EXPECT: Final = int(RequestField.EXPECT)
_MAX_FORWARDS: Final = int(RequestField.MAX_FORWARDS)
_PASSED: Final = int(RequestField.PASSED)

# Visible ASCII but '#' and '\\', which many servers read as '/': the bytes are forwarded as they
# came, never decoded or normalised.
_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}+) ([\x21\x22\x24-\x5b\x5d-\x7e]++) HTTP/1\.([01])"
)
# RFC 9112 section 2.3; of those that are not spoken here.
_OTHER_VERSION: Final = re.compile(rb"[^ ]++ [^ ]++ HTTP/[0-9]\.[0-9]")
_MOST_REQUEST_LINES: Final = 256
_LONGEST_REQUEST_LINE: Final = 256
#: What request lines that came before were read as, by their bytes.
_request_lines: Final[dict[bytes, tuple[bytes, bytes, int, bool]]] = {}
#: What well-known targets begin with (RFC 8615 section 3).
WELL_KNOWN: Final = b"/.well-known/"
_ABSOLUTE: Final = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#@]++)([/?][^#]*+)?")
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%\-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?"
)
_OPTIONS: Final = frozenset((b"close", b"keep-alive", b"upgrade"))
_CODING: Final = re.compile(TOKEN)
# Longer ones are nobody's, and short ones may be remembered.
_LONGEST_HOST: Final = 262
_LONGEST_CONNECTION: Final = 512
# The last is reserved (RFC 9113 section 3.4): some servers begin to speak HTTP/2 at it.
_REFUSED_METHODS: Final = frozenset((b"CONNECT", b"TRACE", b"PRI"))
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
_QUESTION_MARK: Final = 0x3F
# The first byte of a TLS handshake record (RFC 8446 section 5.1), and of no method.
_TLS_RECORD: Final = 0x16


class RequestHead:
    """One request head, ready to be forwarded.

    Attributes:
        method, target: as sent; `target` is in origin form ("/path?query") or "*".
        minor: minor HTTP version, 0 or 1.
        host: the Host value, lower case.
        forwarded: lines to pass on, in order, each ended by CRLF, names spelled as sent.
        body: tracker of the request's body.
        keep_alive: whether the client wants its connection kept.
        ends_connection: whether the upstream is told that no other request follows this one.
        upgrade: the lower-case protocol of a well-formed Upgrade request, else b"".
        origin, fetch_site: those headers' values or None; `origin` is b"" when sent repeatedly.
        local_token: value of X-Devwiz-Gw-Token, b"" when absent; it is never forwarded.
        mcp_method, mcp_name: values of Mcp-Method and Mcp-Name, b"" when absent.
        traceparent: the value of that header; b"" when absent, or sent repeatedly.
        well_known: whether the target is a well-known one (RFC 8615).
        goes_no_further: whether the answer is due here: `Max-Forwards` is at its end.
    """

    __slots__ = (
        "body",
        "ends_connection",
        "fetch_site",
        "forwarded",
        "goes_no_further",
        "host",
        "keep_alive",
        "local_token",
        "mcp_method",
        "mcp_name",
        "method",
        "minor",
        "origin",
        "target",
        "traceparent",
        "upgrade",
        "well_known",
    )

    method: bytes
    target: bytes
    minor: int
    host: bytes
    forwarded: list[bytes]
    body: Body
    keep_alive: bool
    ends_connection: bool
    upgrade: bytes
    origin: bytes | None
    fetch_site: bytes | None
    local_token: bytes
    mcp_method: bytes
    mcp_name: bytes
    traceparent: bytes
    well_known: bool
    goes_no_further: bool


def _without_head(method: bytes) -> RequestHead:
    request = RequestHead()
    request.method = method
    request.target = b"-"
    request.minor = 1
    request.host = request.upgrade = request.local_token = b""
    request.mcp_method = request.mcp_name = request.traceparent = b""
    request.forwarded = []
    request.body = NO_BODY
    request.keep_alive = request.ends_connection = request.well_known = False
    request.goes_no_further = False
    request.origin = request.fetch_site = None
    return request


#: Stands in for a request that could not be read, where an answer or a log line needs one.
UNREADABLE: Final = _without_head(b"-")
#: Stands in where bytes are carried as they are.
RAW: Final = _without_head(b"TCP")


def parse_request_head(head: bytes, lines: FieldLines) -> RequestHead:
    """Parse the bytes up to and including the empty line.

    `lines` says what becomes of each field (`RequestField`); unknown names are forwarded.

    Raises:
        ProtocolViolation: with the status to answer; the connection must be closed.
    """
    texts = head.split(b"\r\n")
    first = texts[0]
    request = RequestHead()
    read = _request_lines.get(first) or _read(first)
    request.method, request.target, request.minor, request.well_known = read
    request.upgrade = b""
    request.ends_connection = request.goes_no_further = False
    special: dict[int, bytes] = {}
    forwarded = request.forwarded = []
    for text in field_lines(texts):
        code, value, ready = lines[text]
        if not code or code == _PASSED:
            forwarded.append(ready)
        elif code > _STRIPPED:
            special[code] = _repeated(code, special[code], value) if code in special else value
            if code >= _FORWARDED:
                forwarded.append(ready)
    get = special.get
    request.origin = get(_ORIGIN)
    request.fetch_site = get(_FETCH_SITE)
    request.local_token = get(_LOCAL_TOKEN, b"")
    request.mcp_method = get(_MCP_METHOD, b"")
    request.mcp_name = get(_MCP_NAME, b"")
    request.traceparent = get(_TRACEPARENT, b"")
    _settle_host(request, special)
    _settle_body(request, special)
    _settle_connection(request, special, lines.names)
    if _EXPECT in special:
        _settle_expectation(request, special[_EXPECT])
    if _MAX_FORWARDS in special:
        _count_down(request, special[_MAX_FORWARDS])
    return request


def _read(line: bytes) -> tuple[bytes, bytes, int, bool]:
    """A request line's method, target, minor version, and whether the target is a well-known one;
    remembered unless there is a query, which may hold what is nobody's business.
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _no_request_line(line)
    method, target, minor = match.groups()
    read = method, target, int(minor), _is_well_known(target)
    few_and_short = len(_request_lines) < _MOST_REQUEST_LINES and len(line) <= _LONGEST_REQUEST_LINE
    if few_and_short and b"?" not in target:
        _request_lines[line] = read
    return read


def _is_well_known(target: bytes) -> bool:
    return target[: len(WELL_KNOWN)] == WELL_KNOWN


def check_beginning(beginning: bytes) -> None:
    """Refuse bytes that can't become a head any more, whatever follows.

    Raises:
        ProtocolViolation: the client should be told now instead of at the time limit.
    """
    if beginning[0] == _TLS_RECORD:
        raise ProtocolViolation("bad_request_line", "the client speaks TLS, and plain HTTP is due")
    check_line_ends(beginning)


def _no_request_line(line: bytes) -> ProtocolViolation:
    if line.startswith(b"PRI * HTTP/2"):
        detail = "the client speaks HTTP/2, and this listener HTTP/1.1"
        return ProtocolViolation("bad_request_line", detail, status=505)
    if _OTHER_VERSION.fullmatch(line) and not line.endswith((b"/1.0", b"/1.1")):
        detail = "the request is of another version than HTTP/1.1 and HTTP/1.0"
        return ProtocolViolation("bad_request_line", detail, status=505)
    return ProtocolViolation("bad_request_line", "the first line is not an HTTP/1.1 request line")


def _repeated(code: int, before: bytes, value: bytes) -> bytes:
    """The value of a field that was sent again, where that is allowed."""
    if code in (_CONNECTION, _UPGRADE):
        return before + b"," + value
    if code in (_ORIGIN, _TRACEPARENT):
        return b""  # matches no origin that a route can allow, and is nobody's trace
    raise ProtocolViolation("repeated_field", f"{_NAMES[code]} is sent more than once")


_NAMES: Final[dict[int, str]] = {
    RequestField.HOST: "Host",
    RequestField.LENGTH: "Content-Length",
    RequestField.ENCODING: "Transfer-Encoding",
    RequestField.FETCH_SITE: "Sec-Fetch-Site",
    RequestField.MCP_METHOD: "Mcp-Method",
    RequestField.MCP_NAME: "Mcp-Name",
    RequestField.EXPECT: "Expect",
    RequestField.MAX_FORWARDS: "Max-Forwards",
    RequestField.LOCAL_TOKEN: "X-Devwiz-Gw-Token",
}


@lru_cache(maxsize=256)
def _host(value: bytes) -> bytes:
    """A well-formed Host value in lower case, or b""."""
    return value.lower() if _HOST.fullmatch(value) else b""


@lru_cache(maxsize=64)
def _is_refused(method: bytes) -> bool:
    """Whether a method isn't forwarded. One that isn't in capitals is another method to us (RFC
    9110 section 9.1) and the same to some servers, which then don't read its body as we do.
    """
    capitals = method.upper()
    return capitals in _REFUSED_METHODS or (method != capitals and capitals in _METHODS)


def _settle_host(request: RequestHead, special: dict[int, bytes]) -> None:
    """One Host, well formed, and the same as an absolute-form target's authority."""
    host = special.get(_HOST_CODE, b"")
    request.host = _host(host) if len(host) <= _LONGEST_HOST else b""
    if not request.host:
        raise ProtocolViolation("bad_host", "the Host header is missing, empty or malformed")
    target = request.target
    if b"%00" in target:
        raise ProtocolViolation("bad_target", "the target holds an encoded NUL")
    if _is_refused(request.method):
        raise ProtocolViolation(
            "refused_method",
            "CONNECT, TRACE and PRI are not forwarded, nor methods in small letters",
            status=403,
        )
    if target[0] == 0x2F or (target == b"*" and request.method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or absolute[1].lower() != request.host:
        raise ProtocolViolation(
            "bad_target", "the target is not a path, or names another authority"
        )
    # An empty path is "/", but "*" for OPTIONS (RFC 9112 sections 3.2.1 and 3.2.4).
    rest = absolute[2] or (b"*" if request.method == b"OPTIONS" else b"/")
    request.target = b"/" + rest if rest[0] == _QUESTION_MARK else rest
    request.well_known = _is_well_known(request.target)


def _settle_body(request: RequestHead, special: dict[int, bytes]) -> None:
    """RFC 9112 section 6.3, without any of its ways to repair a message."""
    length = special.get(_LENGTH_CODE)
    encoding = special.get(_ENCODING)
    if encoding is not None:
        if length is not None or request.minor == 0:
            raise ProtocolViolation(
                "ambiguous_length", "Transfer-Encoding with Content-Length or in HTTP/1.0"
            )
        if encoding.lower() != b"chunked":
            raise _bad_encoding(encoding)
        request.body = Chunked()
    elif length is None:
        request.body = NO_BODY
    elif length.isdigit() and len(length) <= MAX_LENGTH_DIGITS:
        request.body = FixedLength(int(length))
    else:
        raise ProtocolViolation("bad_length", "Content-Length is not a number")


def _bad_encoding(encoding: bytes) -> ProtocolViolation:
    """Codings that aren't known here, before 'chunked', are no fault of the client's: RFC 9112
    section 6.1 has another status for them.
    """
    *others, last = [coding.strip(b" \t").lower() for coding in encoding.split(b",")]
    is_whole = last == b"chunked" and others and b"chunked" not in others
    if is_whole and all(map(_CODING.fullmatch, others)):
        return ProtocolViolation(
            "bad_encoding", "Transfer-Encoding names a coding besides 'chunked'", status=501
        )
    return ProtocolViolation("bad_encoding", "Transfer-Encoding is not exactly 'chunked'")


@lru_cache(maxsize=64)
def _options(connection: bytes) -> frozenset[bytes]:
    """The options of a Connection header, lower case."""
    return frozenset(parse_token_list(connection))


def _settle_connection(request: RequestHead, special: dict[int, bytes], names: NameTable) -> None:
    """Persistence, upgrade and the removal of nominated fields (RFC 9110 section 7.6.1)."""
    connection = special.get(_CONNECTION)
    if connection is None:
        request.keep_alive = request.minor == 1
        return
    if len(connection) > _LONGEST_CONNECTION:
        raise ProtocolViolation("bad_list", "the Connection header is too long")
    options = _options(connection)
    request.keep_alive = b"close" not in options and (
        request.minor == 1 or b"keep-alive" in options
    )
    if b"upgrade" in options and request.minor == 1:
        request.upgrade = special.get(_UPGRADE, b"").lower()
    nominated = options - _OPTIONS
    if nominated:
        _strip_nominated(request, nominated, names)


def _settle_expectation(request: RequestHead, expectation: bytes) -> None:
    """RFC 9110 section 10.1.1: there is one expectation, which HTTP/1.0 doesn't know."""
    if expectation.lower() != b"100-continue":
        raise ProtocolViolation(
            "bad_expectation", "Expect holds something else than 100-continue", status=417
        )
    if request.minor == 0:
        request.forwarded = [line for line in request.forwarded if name_of(line) != b"expect"]


def _count_down(request: RequestHead, value: bytes) -> None:
    """RFC 9110 section 7.6.2: of the methods that are forwarded, OPTIONS alone has a count."""
    if request.method != b"OPTIONS":
        return
    if not value.isdigit():
        raise ProtocolViolation("bad_max_forwards", "Max-Forwards is not a number")
    digits = value.lstrip(b"0")[:MAX_LENGTH_DIGITS]
    if not digits:
        request.goes_no_further = True
        return
    counted = b"Max-Forwards: %d\r\n" % (int(digits) - 1)
    request.forwarded = [
        counted if name_of(line) == b"max-forwards" else line for line in request.forwarded
    ]


def _strip_nominated(request: RequestHead, nominated: frozenset[bytes], names: NameTable) -> None:
    """A Connection header that nominates what frames, routes or authenticates the message is an
    attack or a bug, never a wish that can be granted.
    """
    for name in nominated:
        code = names[name]
        if code in (_TRACEPARENT, _MAX_FORWARDS):
            continue
        if code >= RequestField.CREDENTIAL or name.startswith((b"content-", b"mcp-")):
            raise ProtocolViolation("bad_nomination", "Connection nominates a field that must stay")
    request.forwarded = [line for line in request.forwarded if name_of(line) not in nominated]
