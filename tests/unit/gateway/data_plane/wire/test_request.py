"""Request heads: one reading or none."""

from __future__ import annotations

import pytest

import gateway.data_plane.wire.request as wire_request
from gateway.data_plane.wire.body import Chunked, FixedLength
from gateway.data_plane.wire.fields import FieldLines, NameTable
from gateway.data_plane.wire.request import (
    MEMORABLE,
    UNREADABLE,
    RequestField,
    RequestHead,
    check_beginning,
    parse_request_head,
)
from gateway.data_plane.wire.violation import ProtocolViolation

CODES = {
    b"host": RequestField.HOST,
    b"content-length": RequestField.LENGTH,
    b"transfer-encoding": RequestField.ENCODING,
    b"connection": RequestField.CONNECTION,
    b"upgrade": RequestField.UPGRADE,
    b"origin": RequestField.ORIGIN,
    b"sec-fetch-site": RequestField.FETCH_SITE,
    b"mcp-method": RequestField.MCP_METHOD,
    b"mcp-name": RequestField.MCP_NAME,
    b"expect": RequestField.EXPECT,
    b"max-forwards": RequestField.MAX_FORWARDS,
    b"te": RequestField.STRIP,
    b"authorization": RequestField.CREDENTIAL,
}


def parse(head: bytes) -> RequestHead:
    names = NameTable(lambda name: CODES.get(name, RequestField.FORWARD))
    return parse_request_head(head, FieldLines(names, MEMORABLE))


def with_line(line: bytes, *, host: bytes = b"h") -> bytes:
    return b"%b\r\nHost: %b\r\n\r\n" % (line, host)


def with_fields(*fields: bytes, line: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: h", *fields, b"", b""))


def reason_of(head: bytes) -> str:
    with pytest.raises(ProtocolViolation) as refused:
        parse(head)
    return refused.value.reason


def test_a_head_is_read() -> None:
    request = parse(
        b"POST /a%20b?c=/d HTTP/1.1\r\nHOST: LocalHost:8701\r\nX-One: 1\r\nTE: trailers\r\n"
        b"authorization: mine\r\nOrigin: http://a\r\nSec-Fetch-Site: none\r\n"
        b"Mcp-Method: tools/call\r\nMcp-Name: sum\r\nContent-Length: 3\r\nx-two:2\r\n\r\n"
    )
    assert (request.method, request.target, request.minor) == (b"POST", b"/a%20b?c=/d", 1)
    assert request.host == b"localhost:8701"
    assert request.forwarded == [
        b"X-One: 1\r\n",
        b"Mcp-Method: tools/call\r\n",
        b"Mcp-Name: sum\r\n",
        b"x-two: 2\r\n",
    ]
    assert (request.origin, request.fetch_site) == (b"http://a", b"none")
    assert (request.mcp_method, request.mcp_name) == (b"tools/call", b"sum")
    assert request.body.framing == b"Content-Length: 3\r\n"
    assert (request.keep_alive, request.upgrade) == (True, b"")


def test_what_is_absent_reads_as_such() -> None:
    request = parse(with_line(b"GET / HTTP/1.1"))
    assert (request.origin, request.fetch_site) == (None, None)
    assert (request.mcp_method, request.mcp_name, request.forwarded) == (b"", b"", [])
    assert request.body.done


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET / ",
        b"/ HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET / x HTTP/1.1",
        b"GET / HTTP/1.1 HTTP/1.1",
        b"GET / http/1.1",
        b"GET / Http/1.1",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1.",
        b"GET / HTTP/01.1",
        b"GET / HTTP/1,1",
        b"GET / HTTP/\xef\xbc\x91.1",
        b"GET / HTTPS/1.1",
        b"GET / HTTP 1.1",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01",  # a TLS client
        b"\x05\x01\x00",  # a SOCKS client
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2",
        b"G\x00T / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"G\xc3\x89T / HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x1f HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /\x80 HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"GET /#  HTTP/1.1",
        b"GET /a\\b HTTP/1.1",
        b"GET \\\\evil/a HTTP/1.1",
        b"GET http://h\\@evil/ HTTP/1.1",
        b"GET /\r HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"\r\nGET / HTTP/1.1",
        b"GET / HTTP/1.1\nX: 1",
        b"x" * 33 + b" / HTTP/1.1",
    ],
)
def test_what_is_not_exactly_a_request_line_is_refused(line: bytes) -> None:
    assert reason_of(with_line(line)) == "bad_request_line"


@pytest.mark.parametrize(
    ("line", "host", "target"),
    [
        (b"GET / HTTP/1.1", b"h", b"/"),
        (b"GET //x/../%2e%2f?a=b&c=\"<>^`{|}' HTTP/1.1", b"h", b"//x/../%2e%2f?a=b&c=\"<>^`{|}'"),
        (b"OPTIONS * HTTP/1.1", b"h", b"*"),
        (b"GET http://h/a?b HTTP/1.1", b"h", b"/a?b"),
        (b"GET HTTP://H:80/a HTTP/1.1", b"h:80", b"/a"),
        (b"GET http://[::1]:80/a HTTP/1.1", b"[::1]:80", b"/a"),
        (b"GET http://h HTTP/1.1", b"h", b"/"),
        (b"OPTIONS http://h HTTP/1.1", b"h", b"*"),
        (b"OPTIONS http://h/ HTTP/1.1", b"h", b"/"),
        (b"M-SEARCH / HTTP/1.0", b"h", b"/"),
    ],
)
def test_targets_are_kept_in_origin_form(line: bytes, host: bytes, target: bytes) -> None:
    assert parse(with_line(line, host=host)).target == target


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"a",
        b"a/b",
        b"?a",
        b"h:80",
        b"h",
        b"http:///a",
        b"http:/h/a",
        b"http:h",
        b"http://",
        b"https://h/a",
        b"ftp://h/a",
        b"ws://h/a",
        b"http://other/a",
        b"http://h:80/a",
        b"http://h:/a",
        b"http://h.:80/a",
        b"http://h.evil/a",
        b"http://evil/http://h/",
        b"http://me@h/a",
        b"http://h@evil/a",
        b"http://me:pw@h/a",
        b"http://%68/a",
        b"http://h%00.evil/a",
        b"/a%00b",
        b"/%00",
    ],
)
def test_a_target_that_names_another_place_is_refused(target: bytes) -> None:
    assert reason_of(with_line(b"GET %b HTTP/1.1" % target)) == "bad_target"


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"Trace", b"connect", b"PRI"])
@pytest.mark.parametrize("target", [b"/", b"h:443", b"http://h/"])
def test_connect_and_trace_are_not_forwarded(method: bytes, target: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        parse(with_line(b"%b %b HTTP/1.1" % (method, target)))
    assert (refused.value.reason, refused.value.status) == ("refused_method", 403)


@pytest.mark.parametrize("method", [b"get", b"Get", b"hEAD", b"post", b"Delete", b"options"])
def test_a_method_that_some_server_would_take_for_another_is_refused(method: bytes) -> None:
    assert reason_of(with_line(method + b" / HTTP/1.1")) == "refused_method"


@pytest.mark.parametrize("method", [b"QUERY", b"PROPFIND", b"query", b"m-search", b"!", b"GETS"])
def test_a_method_that_only_the_agent_knows_is_forwarded(method: bytes) -> None:
    assert parse(with_line(method + b" / HTTP/1.1")).method == method


@pytest.mark.parametrize(
    ("line", "speaks"),
    [(b"PRI * HTTP/2.0", "HTTP/2"), (b"GET / HTTP/3", "an HTTP/1.1 request line")],
)
def test_a_wrong_protocol_is_told_by_its_name(line: bytes, speaks: str) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        parse(line + b"\r\n\r\n")
    assert speaks in refused.value.detail


@pytest.mark.parametrize(
    ("beginning", "reason"),
    [
        (b"\x16", "bad_request_line"),
        (b"\x16\x03\x01\x02\x00", "bad_request_line"),
        (b"GET / HTTP/1.1\n", "bad_field"),
        (b"GET / HTTP/1.1\r\nX: 1\n\r\n", "bad_field"),
        (b"\n", "bad_field"),
    ],
)
def test_a_hopeless_beginning_is_refused_at_once(beginning: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        check_beginning(beginning)
    assert refused.value.reason == reason


def test_every_beginning_of_a_head_may_go_on() -> None:
    head = with_fields(b"Content-Length: 5")
    for end in range(1, len(head)):
        check_beginning(head[:end])


@pytest.mark.parametrize(
    "host", [b"h", b"h:80", b"h:", b"127.0.0.1:8701", b"[::1]:8701", b"a_b~c", b"a%20b", b"x=1"]
)
def test_a_well_formed_host_is_read(host: bytes) -> None:
    assert parse(with_line(b"GET / HTTP/1.1", host=host)).host == host


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b":80",
        b"h h",
        b"h/",
        b"h/a",
        b"h?a",
        b"h#a",
        b"me@h",
        b"h\\",
        b"h:80:90",
        b"h:x",
        b"h:-1",
        b"h:999999",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[g]",
        b"[]",
        b"h\xc3\xa9",
        b'"h"',
        b"http://h",
        b"h, h",
        b"<h>",
    ],
)
def test_a_malformed_host_is_refused(host: bytes) -> None:
    assert reason_of(with_line(b"GET / HTTP/1.1", host=host)) == "bad_host"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_host_is_required_once(version: bytes) -> None:
    assert reason_of(b"GET / HTTP/%b\r\n\r\n" % version) == "bad_host"
    twice = with_fields(b"host: h", line=b"GET / HTTP/" + version)
    assert reason_of(twice) == "repeated_field"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], "ambiguous_length"),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 0"], "ambiguous_length"),
        ([b"Transfer-Encoding:", b"Content-Length: 5"], "ambiguous_length"),
        ([b"Content-Length: 5", b"Content-Length: 5"], "repeated_field"),
        ([b"Content-Length: 5", b"content-length: 6"], "repeated_field"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], "repeated_field"),
        ([b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"], "repeated_field"),
        ([b"Mcp-Method: tools/call", b"Mcp-Method: tools/list"], "repeated_field"),
        ([b"Mcp-Name: a", b"mcp-name: a"], "repeated_field"),
        ([b"Expect: 100-continue", b"Expect: 100-continue"], "repeated_field"),
        ([b"Max-Forwards: 1", b"Max-Forwards: 0"], "repeated_field"),
        ([b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: none"], "repeated_field"),
        ([b"Content-Length: 5", b" 6"], "bad_field"),
        ([b"Content-Length : 5"], "bad_field"),
        ([b"Transfer-Encoding\x0b: chunked"], "bad_field"),
    ],
)
def test_a_message_framed_or_named_in_two_ways_is_refused(fields: list[bytes], reason: str) -> None:
    assert reason_of(with_fields(*fields)) == reason


@pytest.mark.parametrize(
    "length",
    [
        b"",
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"5_0",
        b"5 0",
        b"5,5",
        b"5, 5",
        b"5;",
        b"5.0",
        b"5e1",
        b'"5"',
        b"five",
        b"\xb2",  # a digit to some
        b"\xd9\xa5",
        b"5\xa0",
        b"0" * 18 + b"5",
        b"18446744073709551621",  # 5 for who counts in 64 bits
    ],
)
def test_a_malformed_length_is_refused(length: bytes) -> None:
    assert reason_of(with_fields(b"Content-Length: " + length)) == "bad_length"


@pytest.mark.parametrize(
    "encoding",
    [
        b"",
        b"identity",
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"chunked;q=1",
        b"chunked\xa0",
        b"xchunked",
        b"chunkedx",
        b"chunke",
        b'"chunked"',
        b"chunked chunked",
        b"chun\xc5\xa1ked",
    ],
)
def test_an_encoding_but_chunked_is_refused(encoding: bytes) -> None:
    assert reason_of(with_fields(b"Transfer-Encoding: " + encoding)) == "bad_encoding"


def test_an_old_client_may_not_send_chunks() -> None:
    old = with_fields(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0")
    assert reason_of(old) == "ambiguous_length"


def test_each_framing_gives_one_body() -> None:
    assert isinstance(parse(with_fields(b"Transfer-Encoding: \tChunKED ")).body, Chunked)
    fixed = parse(with_fields(b"Content-Length: 007")).body
    assert isinstance(fixed, FixedLength)
    assert fixed.framing == b"Content-Length: 7\r\n"
    assert parse(with_fields()).body.done


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"close"], False),
        (b"1.1", [b"x-one, CLOSE"], False),
        (b"1.1", [b"keep-alive", b"close"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Keep-Alive"], True),
        (b"1.0", [b"keep-alive, close"], False),
    ],
)
def test_persistence_is_as_the_client_says(
    version: bytes, connection: list[bytes], kept: bool
) -> None:
    fields = [b"Connection: " + value for value in connection]
    request = parse(with_fields(*fields, line=b"GET / HTTP/" + version))
    assert request.keep_alive is kept


def test_nominated_fields_are_removed() -> None:
    request = parse(
        with_fields(b"X-One: 1", b"x-two: 2", b"X-ONE: 3", b"Connection: x-one, close, te")
    )
    assert request.forwarded == [b"x-two: 2\r\n"]


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"content-length",
        b"Transfer-Encoding",
        b"Content-Type",
        b"Content-Encoding",
        b"authorization",
        b"Connection",
        b"origin",
        b"Sec-Fetch-Site",
        b"Mcp-Method",
        b"Mcp-Session-Id",
        b"mcp-protocol-version",
        b"Expect",
    ],
)
def test_a_nomination_of_what_must_stay_is_refused(name: bytes) -> None:
    assert reason_of(with_fields(b"Connection: close, " + name)) == "bad_nomination"


@pytest.mark.parametrize("value", [b"close;", b'"close"', b"a b", b"close\xa0", b"a=b"])
def test_a_connection_field_of_something_else_is_refused(value: bytes) -> None:
    assert reason_of(with_fields(b"Connection: " + value)) == "bad_list"


@pytest.mark.parametrize(
    ("fields", "version", "upgrade"),
    [
        ([b"Connection: Upgrade", b"Upgrade: WebSocket"], b"1.1", b"websocket"),
        ([b"Connection: keep-alive, upgrade", b"Upgrade: h2c"], b"1.1", b"h2c"),
        ([b"Upgrade: websocket"], b"1.1", b""),
        ([b"Connection: upgrade"], b"1.1", b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"1.0", b""),
    ],
)
def test_an_upgrade_needs_both_fields_and_http_1_1(
    fields: list[bytes], version: bytes, upgrade: bytes
) -> None:
    request = parse(with_fields(*fields, line=b"GET / HTTP/" + version))
    assert request.upgrade == upgrade
    assert request.forwarded == []


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
def test_the_expectation_of_100_is_passed_on_but_for_http_1_0(value: bytes) -> None:
    assert parse(with_fields(b"Expect: " + value)).forwarded == [b"Expect: %b\r\n" % value]
    old = with_fields(b"X: 1", b"Expect: " + value, line=b"POST / HTTP/1.0")
    assert parse(old).forwarded == [b"X: 1\r\n"]


@pytest.mark.parametrize(
    "value", [b"", b"100", b"continue", b"100-continue, 100-continue", b"x 100-continue", b"\xa0"]
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_another_expectation_is_refused(value: bytes, version: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        parse(with_fields(b"Expect: " + value, line=b"POST / HTTP/" + version))
    assert (refused.value.reason, refused.value.status) == ("bad_expectation", 417)


@pytest.mark.parametrize(
    ("method", "value", "passed", "is_last"),
    [
        (b"OPTIONS", b"5", b"4", False),
        (b"OPTIONS", b"007", b"6", False),
        (b"OPTIONS", b"1", b"0", False),
        (b"OPTIONS", b"9" * 5000, b"9" * 17 + b"8", False),
        (b"OPTIONS", b"0", b"0", True),
        (b"OPTIONS", b"00", b"00", True),
        (b"GET", b"0", b"0", False),
        (b"GET", b"x", b"x", False),
    ],
)
def test_forwards_of_options_are_counted_down(
    method: bytes, value: bytes, passed: bytes, is_last: bool
) -> None:
    line = method + b" / HTTP/1.1"
    request = parse(with_fields(b"X: 1", b"max-forwards: " + value, b"Y: 2", line=line))
    spelled = b"max-forwards" if passed == value else b"Max-Forwards"
    assert request.forwarded == [b"X: 1\r\n", b"%b: %b\r\n" % (spelled, passed), b"Y: 2\r\n"]
    assert request.goes_no_further is is_last


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1 1", b"0x1", b"1.0", b"\xb2"])
def test_a_count_of_forwards_is_a_number(value: bytes) -> None:
    head = with_fields(b"Max-Forwards: " + value, line=b"OPTIONS / HTTP/1.1")
    assert reason_of(head) == "bad_max_forwards"


def test_a_nominated_count_is_used_and_not_passed_on() -> None:
    head = with_fields(b"Max-Forwards: 3", b"Connection: max-forwards", line=b"OPTIONS / HTTP/1.1")
    assert parse(head).forwarded == []


def test_upgrades_in_several_lines_are_one_list() -> None:
    # RFC 9110 section 5.3; of a list nothing is chosen, and the request is one like any other.
    request = parse(
        with_fields(b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"X: 1")
    )
    assert request.upgrade == b"websocket,h2c"
    assert request.forwarded == [b"X: 1\r\n"]


@pytest.mark.parametrize(
    ("method", "url", "target"),
    [
        (b"GET", b"http://h?a=/b", b"/?a=/b"),
        (b"GET", b"http://h/?a=/b", b"/?a=/b"),
        (b"GET", b"http://h?", b"/?"),
        (b"OPTIONS", b"http://h?a", b"/?a"),
    ],
)
def test_an_absolute_target_may_have_a_query_and_no_path(
    method: bytes, url: bytes, target: bytes
) -> None:
    # RFC 9112 section 3.2.1: the path is "/" then.
    assert parse(with_line(method + b" " + url + b" HTTP/1.1")).target == target


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        (b"gzip, chunked", 501),
        (b"x-mine ,\tgzip,CHUNKED", 501),
        (b"gzip", 400),
        (b"chunked, gzip", 400),
        (b"chunked, chunked", 400),
        (b"gzip, chunked, chunked", 400),
        (b", chunked", 400),
        (b"gzip;q=1, chunked", 400),
        (b"g zip, chunked", 400),
        (b"xchunked", 400),
        (b"", 400),
    ],
)
def test_a_coding_that_is_not_known_here_has_its_own_status(encoding: bytes, status: int) -> None:
    # RFC 9112 sections 6.1 and 6.3: 400 where 'chunked' isn't the last, once.
    with pytest.raises(ProtocolViolation) as refused:
        parse(with_fields(b"Transfer-Encoding: " + encoding))
    assert (refused.value.reason, refused.value.status) == ("bad_encoding", status)


def test_a_repeated_origin_reads_as_none_that_can_be_allowed() -> None:
    request = parse(with_fields(b"Origin: http://a", b"Origin: http://a"))
    assert request.origin == b""


def test_a_refusal_quotes_nothing_of_the_request() -> None:
    for head in (
        with_fields(b"Content-Length: hunter2"),
        with_fields(b"Transfer-Encoding: hunter2"),
        with_fields(b"hunter2"),
        with_line(b"GET hunter2 HTTP/1.1"),
        with_line(b"hunter2"),
        with_line(b"GET / HTTP/1.1", host=b"hunter2 x"),
    ):
        with pytest.raises(ProtocolViolation) as refused:
            parse(head)
        assert "hunter2" not in refused.value.detail + refused.value.reason + str(refused.value)


def test_the_stand_in_for_an_unreadable_request_closes() -> None:
    assert not UNREADABLE.keep_alive
    assert UNREADABLE.body.done
    assert (UNREADABLE.method, UNREADABLE.target) == (b"-", b"-")


def test_a_request_line_without_a_query_is_read_once() -> None:
    memory = wire_request._request_lines
    memory.clear()
    targets = (b"/a", b"/a?secret=1", b"/" * 250, b"*", b"/b")
    for _ in range(2):
        for target in targets:
            head = parse(b"OPTIONS %b HTTP/1.0\r\nHost: h\r\n\r\n" % target)
            assert (head.method, head.target, head.minor) == (b"OPTIONS", target, 0)
    assert memory.keys() == {b"OPTIONS %b HTTP/1.0" % target for target in (b"/a", b"*", b"/b")}


def test_invented_request_lines_cannot_fill_the_memory() -> None:
    for number in range(1000):
        assert parse(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number).target == b"/%d" % number
    assert len(wire_request._request_lines) == 256


@pytest.mark.parametrize(
    ("target", "well_known"),
    [
        (b"/.well-known/a", True),
        (b"/.well-known/a?b", True),
        (b"http://h/.well-known/a", True),
        (b"/.well-known", False),
        (b"/a/.well-known/b", False),
        (b"http://h/a", False),
        (b"http://h", False),
    ],
)
def test_well_known_targets_are_told(target: bytes, well_known: bool) -> None:
    for _ in range(2):
        assert parse(with_line(b"GET %b HTTP/1.1" % target)).well_known is well_known
