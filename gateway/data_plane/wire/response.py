"""The head of a response, read as sceptically as a request's: upstreams can be hostile too.

Source: RFC 9112 sections 4 and 6, RFC 9110 section 15.
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
    NoBody,
    Trailers,
    UntilClose,
    drop_trailers,
)
from gateway.data_plane.wire.fields import (
    Field,
    FieldLines,
    NameTable,
    check_line_ends,
    field_lines,
    folded,
    name_of,
    parse_token_list,
)
from gateway.data_plane.wire.violation import ProtocolViolation


class ResponseField(IntEnum):
    """What happens to a response field."""

    FORWARD = 0
    STRIP = 1
    LENGTH = 2
    ENCODING = 3
    CONNECTION = 4
    UPGRADE = 5
    LOCATION = 6
    CONTENT_TYPE = 7
    SESSION = 8  # forwarded, and never remembered
    DATE = 9  # forwarded too


_STRIPPED: Final = frozenset(
    (
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        # Would lead the client around the gateway to another port or protocol.
        b"alt-svc",
    )
)
_CODES: Final[dict[bytes, int]] = {
    b"content-length": ResponseField.LENGTH,
    b"transfer-encoding": ResponseField.ENCODING,
    b"connection": ResponseField.CONNECTION,
    b"upgrade": ResponseField.UPGRADE,
    b"location": ResponseField.LOCATION,
    b"content-location": ResponseField.LOCATION,
    b"link": ResponseField.LOCATION,
    b"content-type": ResponseField.CONTENT_TYPE,
    b"date": ResponseField.DATE,
    b"set-cookie": ResponseField.SESSION,
    b"mcp-session-id": ResponseField.SESSION,
    b"authentication-info": ResponseField.SESSION,
    b"www-authenticate": ResponseField.LOCATION,  # its challenge may name where to get a token
}

_RESERVED: Final = frozenset(
    folded(name)
    for name in (*_STRIPPED, b"content-length", b"transfer-encoding", b"connection", b"upgrade")
)


def classify_response_field(name: bytes) -> int:
    """The `ResponseField` of a lower-case name. Nobody gets to see a name that is read as one of
    ours by a forgiving reader only.
    """
    code = _CODES.get(name, ResponseField.FORWARD)
    if name in _STRIPPED or (not code and folded(name) in _RESERVED):
        return ResponseField.STRIP
    return code


_LONGEST_CONNECTION: Final = 512
_STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*+))?"
)


class ResponseHead:
    """One response head.

    Attributes:
        status: status code; `reason` the phrase as sent.
        forwarded: lines to pass on, each ended by CRLF, Location included.
        locations: indexes in `forwarded` of Location, Content-Location, Link and WWW-Authenticate.
        body: tracker of the body, in the framing that the client gets.
        keep_alive: whether the upstream keeps its connection.
        upgrade: lower-case protocol of a 101, or of a 426 that asks for it, else b"".
        event_stream: whether the body is a stream of server-sent events.
        dated: whether a Date is passed on.
        trailers: answers the lines of a trailer section to pass on.
    """

    __slots__ = (
        "body",
        "dated",
        "event_stream",
        "forwarded",
        "keep_alive",
        "locations",
        "minor",
        "reason",
        "status",
        "trailers",
        "upgrade",
    )

    status: int
    reason: bytes
    minor: int
    forwarded: list[bytes]
    locations: list[int]
    body: Body
    keep_alive: bool
    upgrade: bytes
    event_stream: bool
    dated: bool
    trailers: Trailers


_NAMES: Final = NameTable(classify_response_field)
# Heads of all upstreams share one memory; what sets or names a session isn't kept in it.
_LINES: Final = FieldLines(
    _NAMES,
    frozenset(ResponseField) - {ResponseField.STRIP, ResponseField.LOCATION, ResponseField.SESSION},
)
_STRIP: Final = int(ResponseField.STRIP)
_LENGTH_CODE: Final = int(ResponseField.LENGTH)
_ENCODING: Final = int(ResponseField.ENCODING)
_CONNECTION: Final = int(ResponseField.CONNECTION)
_UPGRADE: Final = int(ResponseField.UPGRADE)
_LOCATION: Final = int(ResponseField.LOCATION)
_SESSION: Final = int(ResponseField.SESSION)
_CONTENT_TYPE: Final = int(ResponseField.CONTENT_TYPE)
_DATE: Final = int(ResponseField.DATE)


def parse_response_head(
    head: bytes,
    *,
    method: bytes,
    client_minor: int,
    trailers: Trailers,
) -> ResponseHead:
    """Parse the bytes up to and including the empty line of the answer to a `method` request.

    `client_minor` is the HTTP/1 minor version of the client, which decides how a body without a
    length can be passed on; `trailers` answers the lines of a trailer section to pass on.

    Raises:
        ProtocolViolation: the upstream's connection must be closed and the client told.
    """
    texts = head.split(b"\r\n")
    line = _STATUS_LINE.fullmatch(texts[0])
    if line is None:
        raise ProtocolViolation("bad_status_line", "the upstream's first line is not HTTP/1.1")
    response = ResponseHead()
    minor, status, reason = line.groups()
    response.minor = 1 if minor == b"1" else 0
    response.status = int(status)
    response.reason = reason or b""
    response.locations = []
    response.trailers = trailers
    response.upgrade = b""
    response.event_stream = response.dated = False
    special: dict[int, bytes] = {}
    forwarded = response.forwarded = []
    lines = _LINES
    for text in field_lines(texts):
        code, value, ready = lines[text]
        if not code:
            forwarded.append(ready)
        elif code == _CONTENT_TYPE:
            response.event_stream = value[:17].lower() == b"text/event-stream"
            forwarded.append(ready)
        elif code >= _SESSION:
            response.dated |= code == _DATE
            forwarded.append(ready)
        elif code == _LOCATION:
            response.locations.append(len(forwarded))
            forwarded.append(ready)
        elif code > _STRIP:
            special[code] = _repeated(code, special[code], value) if code in special else value
    response.keep_alive = response.minor == 1
    connection = special.get(_CONNECTION)
    if connection is not None:
        _apply_connection(response, special, connection)
    _check_framing(response, special.get(_LENGTH_CODE), special.get(_ENCODING))
    if not _is_bodiless(response, special, method):
        _settle_body(response, special, client_minor)
    return response


def check_beginning(beginning: bytes) -> None:
    """Refuse bytes that can't become a head any more, whatever follows.

    Raises:
        ProtocolViolation: waiting for more would take until the time limit.
    """
    start = b"HTTP/1."
    if beginning[: len(start)] != start[: len(beginning)]:
        raise ProtocolViolation("bad_status_line", "the upstream's first line is not HTTP/1.1")
    check_line_ends(beginning)


def _repeated(code: int, before: bytes, value: bytes) -> bytes:
    if code in (_CONNECTION, _UPGRADE):
        return before + b"," + value
    raise ProtocolViolation("repeated_field", "a framing header of the response is repeated")


@lru_cache(maxsize=64)
def _options(connection: bytes) -> frozenset[bytes]:
    """The options of a Connection header, lower case."""
    return frozenset(parse_token_list(connection))


def _apply_connection(response: ResponseHead, special: dict[int, bytes], connection: bytes) -> None:
    if len(connection) > _LONGEST_CONNECTION:
        raise ProtocolViolation("bad_list", "the Connection header is too long")
    options = _options(connection)
    response.keep_alive = b"close" not in options and (
        response.minor == 1 or b"keep-alive" in options
    )
    # A 426 has to say what it asks for (RFC 9110 section 15.5.22), and many say no more.
    if response.status == 426 or (response.status == 101 and b"upgrade" in options):
        response.upgrade = special.get(_UPGRADE, b"").lower()
    nominated = options - {b"close", b"keep-alive", b"upgrade"}
    if nominated:
        drop_fields(response, nominated)
        response.trailers = drop_trailers  # one of them may be nominated


def drop_fields(response: ResponseHead, names: frozenset[bytes]) -> None:
    """Pass none of these on."""
    kept = [
        (index, item) for index, item in enumerate(response.forwarded) if name_of(item) not in names
    ]
    response.locations = [new for new, (old, _) in enumerate(kept) if old in response.locations]
    response.forwarded = [item for _, item in kept]
    response.dated &= b"date" not in names


def _check_framing(response: ResponseHead, length: bytes | None, encoding: bytes | None) -> None:
    """A head that frames its body in two ways, or in one unknown, is refused."""
    if length is not None and not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        raise ProtocolViolation("bad_length", "the response's Content-Length is not a number")
    if encoding is not None:
        if length is not None or response.minor == 0:
            raise ProtocolViolation("ambiguous_length", "the response is framed in two ways")
        if encoding.lower() != b"chunked":
            raise ProtocolViolation("bad_encoding", "Transfer-Encoding is not exactly 'chunked'")


def _is_bodiless(response: ResponseHead, special: dict[int, bytes], method: bytes) -> bool:
    """Settle the body of an answer that has none, whatever its head announces."""
    status = response.status
    length = special.get(_LENGTH_CODE)
    if status < 200 or status == 204:
        if _ENCODING in special or (length is not None and int(length) > 0):
            if status < 200:
                raise ProtocolViolation("unexpected_body", "an interim response announces a body")
            response.keep_alive = False  # a body that may not be there could follow
        response.body = NO_BODY
        return True
    if method == b"HEAD" or status == 304:
        response.body = NO_BODY if length is None else NoBody(_length_line(length))
        return True
    return False


def _settle_body(response: ResponseHead, special: dict[int, bytes], client_minor: int) -> None:
    """RFC 9112 section 6.3 for responses that have a body."""
    length = special.get(_LENGTH_CODE)
    if _ENCODING in special:
        response.body = Chunked(decode=client_minor == 0, trailers=response.trailers)
    elif length is not None:
        response.body = FixedLength(int(length))
    else:
        response.keep_alive = False
        response.body = UntilClose(chunked=client_minor == 1)


def _length_line(length: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % int(length)


# Trailer fields that would control, authenticate or say how to read the message had they stood in
# the head (RFC 9110 section 6.5.1) are dropped, in whatever spelling; the others may be passed on.
_NO_TRAILER: Final = frozenset(
    folded(name)
    for name in b"""
    accept-ranges age authentication-info authorization cache-control clear-site-data
    content-disposition content-encoding content-language content-location content-range
    content-security-policy content-type cookie date expires host last-modified location
    pragma proxy-authenticate proxy-authentication-info proxy-authorization refresh retry-after
    set-cookie strict-transport-security upgrade vary warning www-authenticate
    content-length transfer-encoding connection keep-alive proxy-connection te trailer alt-svc
    """.split()
)
_NO_TRAILER_FAMILY: Final = (b"access-control-", b"cross-origin-", b"mcp-", b"sec-")


def trailer_lines(fields: list[Field]) -> bytes:
    """The lines of a response's trailer section that may be passed on."""
    return b"".join(
        [
            b"%b: %b\r\n" % item
            for item in fields
            if folded(item[0]) not in _NO_TRAILER
            and not item[0].lower().replace(b"_", b"-").startswith(_NO_TRAILER_FAMILY)
        ]
    )
