"""Response heads: the upstream is trusted no more than a client."""

from __future__ import annotations

import pytest

from gateway.data_plane.wire.body import Chunked, FixedLength, UntilClose
from gateway.data_plane.wire.fields import Field
from gateway.data_plane.wire.response import (
    ResponseHead,
    check_beginning,
    parse_response_head,
    trailer_lines,
)
from gateway.data_plane.wire.violation import ProtocolViolation


def parse(head: bytes, *, method: bytes = b"GET", client_minor: int = 1) -> ResponseHead:
    return parse_response_head(
        head, method=method, client_minor=client_minor, trailers=trailer_lines
    )


def with_fields(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


def reason_of(head: bytes, *, method: bytes = b"GET") -> str:
    with pytest.raises(ProtocolViolation) as refused:
        parse(head, method=method)
    return refused.value.reason


def test_a_head_is_read() -> None:
    response = parse(
        with_fields(
            b"Server: x",
            b"Location: /a",
            b"Keep-Alive: timeout=5",
            b"Content-Type: Text/Event-Stream; charset=utf-8",
            b"Content-Location: /b",
            b"Link: </c>",
            b'Alt-Svc: h3=":443"',
            b"Trailer: X-Sum",
            b"Content-Length: 2",
            line=b"HTTP/1.1 201 Made \xc3\xa9\t!",
        )
    )
    assert (response.status, response.reason) == (201, b"Made \xc3\xa9\t!")
    assert response.forwarded == [
        b"Server: x\r\n",
        b"Location: /a\r\n",
        b"Content-Type: Text/Event-Stream; charset=utf-8\r\n",
        b"Content-Location: /b\r\n",
        b"Link: </c>\r\n",
    ]
    assert response.locations == [1, 3, 4]
    assert response.event_stream
    assert response.keep_alive
    assert response.body.framing == b"Content-Length: 2\r\n"


@pytest.mark.parametrize(
    "field",
    [
        b"Content_Length: 5",
        b"Content.Length: 5",
        b"transfer_encoding: chunked",
        b"Transfer--Encoding: chunked",
        b"connection_: close",
        b"Up-Grade: h2c",
        b"keep_alive: timeout=5",
        b"ALT_SVC: h3=':443'",
    ],
)
def test_a_look_alike_of_a_reserved_field_is_not_passed_on(field: bytes) -> None:
    assert parse(with_fields(b"X: 1", field)).forwarded == [b"X: 1\r\n"]


@pytest.mark.parametrize(
    ("beginning", "reason"),
    [
        (b"h", "bad_status_line"),
        (b"\r\nHTTP/1.1 200 OK\r\n", "bad_status_line"),
        (b"HTTP/2", "bad_status_line"),
        (b"HTTP/1,1 200 OK", "bad_status_line"),
        (b"HTTP/1.1 200 OK\n", "bad_field"),
        (b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n", "bad_field"),
    ],
)
def test_a_hopeless_beginning_is_refused_at_once(beginning: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        check_beginning(beginning)
    assert refused.value.reason == reason


def test_every_beginning_of_a_head_may_go_on() -> None:
    head = with_fields(b"Content-Length: 5")
    for end in range(len(head)):
        check_beginning(head[:end])


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.0 599 x", 599, b"x"),
    ],
)
def test_a_status_line_may_lack_its_reason(line: bytes, status: int, reason: bytes) -> None:
    response = parse(with_fields(line=line))
    assert (response.status, response.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"200 OK",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 000 OK",
        b"HTTP/1.1 600 OK",
        b"HTTP/1.1 999 OK",
        b"HTTP/1.1 1000 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 0x1 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200OK",
        b" HTTP/1.1 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/2 200 OK",
        b"HTTP/0.9 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 OK\r",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 200 \x7f",
        b"HTTP/1.1 200 \x1b[2J",
        b"\r\nHTTP/1.1 200 OK",
        b"SSH-2.0-x",
    ],
)
def test_what_is_not_exactly_a_status_line_is_refused(line: bytes) -> None:
    assert reason_of(with_fields(line=line)) == "bad_status_line"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([b"Content-Length: 1", b"Content-Length: 1"], "repeated_field"),
        ([b"Content-Length: 1", b"content-length: 2"], "repeated_field"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], "repeated_field"),
        ([b"Content-Length: 1", b"Transfer-Encoding: chunked"], "ambiguous_length"),
        ([b"Content-Length: 1, 1"], "bad_length"),
        ([b"Content-Length: -1"], "bad_length"),
        ([b"Content-Length: +1"], "bad_length"),
        ([b"Content-Length:"], "bad_length"),
        ([b"Content-Length: 1_0"], "bad_length"),
        ([b"Content-Length: 18446744073709551617"], "bad_length"),
        ([b"Transfer-Encoding: gzip, chunked"], "bad_encoding"),
        ([b"Transfer-Encoding: identity"], "bad_encoding"),
        ([b"Transfer-Encoding:"], "bad_encoding"),
        ([b"Content-Length : 1"], "bad_field"),
        ([b"A: 1", b" 2"], "bad_field"),
        ([b"A: 1\nContent-Length: 0"], "bad_field"),
        ([b"A: 1\r\r"], "bad_field"),
        ([b"A: \x00"], "bad_field"),
        ([b"Connection: a b"], "bad_list"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_response_with_two_readings_is_refused(
    fields: list[bytes], reason: str, method: bytes
) -> None:
    assert reason_of(with_fields(*fields), method=method) == reason


def test_a_split_response_is_one_head_and_the_rest_no_field() -> None:
    echoed = b"/x\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK"
    with pytest.raises(ProtocolViolation):
        parse(with_fields(b"Location: " + echoed, b"Content-Length: 5"))


def test_an_old_upstream_may_not_send_chunks() -> None:
    old = with_fields(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK")
    assert reason_of(old) == "ambiguous_length"


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199])
@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_an_interim_response_with_a_body_is_refused(status: int, field: bytes) -> None:
    head = with_fields(field, line=b"HTTP/1.1 %d x" % status)
    assert reason_of(head) == "unexpected_body"


def test_an_interim_response_of_length_zero_loses_its_length() -> None:
    response = parse(with_fields(b"Content-Length: 0", line=b"HTTP/1.1 103 Early Hints"))
    assert (response.body.done, response.body.framing, response.forwarded) == (True, b"", [])


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        (b"X: 1", True),
        (b"Content-Length: 0", True),
        (b"Content-Length: 5", False),
        (b"Transfer-Encoding: chunked", False),
    ],
)
def test_a_204_has_no_body_and_no_length(field: bytes, kept: bool) -> None:
    response = parse(with_fields(field, line=b"HTTP/1.1 204 No Content"))
    assert response.body.done
    assert response.body.framing == b""
    assert response.keep_alive is kept


@pytest.mark.parametrize(
    ("method", "line"),
    [(b"HEAD", b"HTTP/1.1 200 OK"), (b"GET", b"HTTP/1.1 304 Not Modified")],
)
def test_a_length_without_a_body_is_told_on_but_not_waited_for(method: bytes, line: bytes) -> None:
    response = parse(with_fields(b"Content-Length: 0042", line=line), method=method)
    assert response.body.done
    assert response.body.framing == b"Content-Length: 42\r\n"
    assert response.forwarded == []
    assert response.keep_alive
    chunked = parse(with_fields(b"Transfer-Encoding: chunked", line=line), method=method)
    assert (chunked.body.done, chunked.body.framing) == (True, b"")
    assert parse(with_fields(line=line), method=method).body.done


def test_each_framing_gives_one_body() -> None:
    assert isinstance(parse(with_fields(b"Transfer-Encoding: CHUNKED")).body, Chunked)
    assert isinstance(parse(with_fields(b"Content-Length: 5")).body, FixedLength)
    until_close = parse(with_fields())
    assert isinstance(until_close.body, UntilClose)
    assert until_close.body.framing == b"Transfer-Encoding: chunked\r\n"
    assert not until_close.keep_alive


def test_an_old_client_gets_no_chunks() -> None:
    chunked = parse(with_fields(b"Transfer-Encoding: chunked"), client_minor=0).body
    assert (chunked.framing, chunked.feed(b"2\r\nhi\r\n0\r\n\r\n")) == (b"", b"hi")
    until_close = parse(with_fields(), client_minor=0).body
    assert (until_close.framing, until_close.feed(b"hi")) == (b"", b"hi")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Close"], False),
        (b"1.1", [b"keep-alive", b"x, close"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Keep-Alive"], True),
    ],
)
def test_persistence_is_as_the_upstream_says(
    version: bytes, connection: list[bytes], kept: bool
) -> None:
    fields = [b"Connection: " + value for value in connection]
    line = b"HTTP/%b 200 OK" % version
    assert parse(with_fields(*fields, b"Content-Length: 0", line=line)).keep_alive is kept


def test_nominated_fields_are_removed_and_locations_found_again() -> None:
    response = parse(
        with_fields(b"X-Hop: 1", b"Location: /a", b"X-B: 2", b"Connection: x-hop", b"Location: /b")
    )
    assert response.forwarded == [b"Location: /a\r\n", b"X-B: 2\r\n", b"Location: /b\r\n"]
    assert response.locations == [0, 2]


@pytest.mark.parametrize(
    ("fields", "dated"),
    [
        ([], False),
        ([b"Date: x"], True),
        ([b"dAtE: x", b"Date: y"], True),
        ([b"Date: x", b"Connection: date"], False),
        ([b"Date: x", b"Connection: x-one"], True),
        ([b"Set-Cookie: a=b", b"X-Date: x"], False),
    ],
)
def test_it_is_known_whether_a_date_is_passed_on(fields: list[bytes], dated: bool) -> None:
    response = parse(with_fields(*fields))
    assert response.dated is dated
    assert any(line.lower().startswith(b"date:") for line in response.forwarded) is dated


def test_no_trailer_is_passed_on_where_fields_are_nominated() -> None:
    # RFC 9110 section 7.6.1: a nominated field is removed from the trailer section, too.
    def passed(*fields: bytes) -> bytes:
        response = parse(with_fields(*fields, b"Transfer-Encoding: chunked"))
        return response.body.feed(b"0\r\nX-Sum: 1\r\n\r\n")

    assert passed(b"Connection: keep-alive") == b"0\r\nX-Sum: 1\r\n\r\n"
    assert passed(b"Connection: x-sum") == b"0\r\n\r\n"


def test_framing_cannot_be_nominated_away() -> None:
    response = parse(with_fields(b"Content-Length: 5", b"Connection: content-length"))
    assert response.body.framing == b"Content-Length: 5\r\n"


@pytest.mark.parametrize(
    ("status", "fields", "upgrade"),
    [
        (101, [b"Connection: Upgrade", b"Upgrade: WebSocket"], b"websocket"),
        (101, [b"Upgrade: websocket"], b""),
        (101, [b"Connection: upgrade"], b""),
        (200, [b"Connection: Upgrade", b"Upgrade: websocket"], b""),
    ],
)
def test_only_a_whole_101_upgrades(status: int, fields: list[bytes], upgrade: bytes) -> None:
    response = parse(with_fields(*fields, line=b"HTTP/1.1 %d x" % status))
    assert response.upgrade == upgrade
    assert response.forwarded == []


@pytest.mark.parametrize(
    ("content_type", "stream"),
    [
        (b"text/event-stream", True),
        (b"TEXT/EVENT-STREAM;charset=utf-8", True),
        (b"text/event", False),
        (b"application/json", False),
    ],
)
def test_event_streams_are_known(content_type: bytes, stream: bool) -> None:
    assert parse(with_fields(b"Content-Type: " + content_type)).event_stream is stream


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Length",
        b"Transfer_Encoding",
        b"host",
        b"Connection",
        b"Set-Cookie",
        b"set_cookie",
        b"Set.Cookie",
        b"Content--Length",
        b"Sec_Anything",
        b"Authorization",
        b"WWW-Authenticate",
        b"Cache-Control",
        b"Content-Type",
        b"Content-Encoding",
        b"Location",
        b"Access-Control-Allow-Origin",
        b"Content-Security-Policy",
        b"Sec-WebSocket-Accept",
        b"Mcp-Session-Id",
        b"Trailer",
        b"Upgrade",
        b"Alt-Svc",
    ],
)
def test_a_trailer_field_that_controls_is_dropped(name: bytes) -> None:
    fields: list[Field] = [(b"X-Sum", b"1"), (name, b"x"), (b"Grpc-Status", b"0")]
    assert trailer_lines(fields) == b"X-Sum: 1\r\nGrpc-Status: 0\r\n"
