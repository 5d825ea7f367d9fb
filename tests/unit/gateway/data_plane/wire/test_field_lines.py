"""The memory of field lines: what it holds, what it never holds, and that it makes no difference.

`tests/property/test_field_lines.py` holds the properties.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire import response as wire_response
from gateway.data_plane.wire.fields import (
    MAX_FIELDS,
    FieldLines,
    Line,
    NameTable,
    field_lines,
    name_of,
)
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head, trailer_lines
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.compiled import sources_only
from tests.fakes.routes import header_rules

KEPT, DROPPED = 1, 2
VALUE = b"hunter2"


def memory() -> FieldLines:
    """Names that begin with "secret" are not kept."""
    names = NameTable(lambda name: DROPPED if name.startswith(b"secret") else KEPT)
    return FieldLines(names, frozenset((KEPT,)))


@pytest.fixture
def of_responses() -> Iterator[FieldLines]:
    """The memory that the heads of all upstreams share, empty."""
    lines = wire_response._LINES
    lines.clear()
    lines._values.clear()
    yield lines
    lines.clear()
    lines._values.clear()


def request_with(rules: HeaderRules, *fields: bytes) -> RequestHead:
    head = b"\r\n".join((b"POST / HTTP/1.1", b"Host: h", *fields, b"", b""))
    return parse_request_head(head, rules.lines)


def response_with(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    head = b"\r\n".join((line, *fields, b"", b""))
    return parse_response_head(head, method=b"GET", client_minor=1, trailers=trailer_lines)


def holds(lines: FieldLines, value: bytes) -> bool:
    """Whether the value stands anywhere in the memory, in whatever case."""
    held = [
        *lines,
        *(part for _, *parts in lines.values() for part in parts),
        *lines._values,
        *lines.names,
    ]
    return any(value.lower() in text.lower() for text in held)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"A: 1", (KEPT, b"1", b"A: 1\r\n")),
        (b"a:1", (KEPT, b"1", b"a: 1\r\n")),
        (b"a:", (KEPT, b"", b"a: \r\n")),
        (b"a: \t x \t y \t ", (KEPT, b"x \t y", b"a: x \t y\r\n")),
        (b"a:  \t ", (KEPT, b"", b"a: \r\n")),
        (b"a: x: y", (KEPT, b"x: y", b"a: x: y\r\n")),
        (b"a: \x80\xff", (KEPT, b"\x80\xff", b"a: \x80\xff\r\n")),
        (b"!#$%&'*+-.^_`|~09Az: 1", (KEPT, b"1", b"!#$%&'*+-.^_`|~09Az: 1\r\n")),
        (b"Secret: 1", (DROPPED, b"1", b"Secret: 1\r\n")),
    ],
)
def test_a_line_comes_to_the_same_each_time(text: bytes, line: Line) -> None:
    lines = memory()
    assert [lines[text] for _ in range(3)] == [line] * 3


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"A",
        b": 1",
        b"A : 1",
        b"A\t: 1",
        b" A: 1",
        b"\tfolded",
        b"A: 1\r",
        b"A: 1\n",
        b"A: 1\nB: 2",
        b"A: 1\rB: 2",
        b"\nA: 1",
        b"A: \x00",
        b"A: \x0b",
        b"A: \x1b[0m",
        b"A: \x7f",
        b"A\x00: 1",
        b"A\x80: 1",
        b"A(b): 1",
        b'"A": 1',
        b"A\xc2\xa0: 1",
        b"\xef\xbb\xbfA: 1",
    ],
)
def test_what_is_not_exactly_a_line_is_refused_each_time(text: bytes) -> None:
    lines = memory()
    for _ in range(3):
        with pytest.raises(ProtocolViolation) as refused:
            lines[text]
        assert (refused.value.reason, refused.value.status) == ("bad_field", 400)
    assert len(lines) == 0


@sources_only
def test_a_line_is_read_once() -> None:
    lines = memory()
    first = lines[b"Accept: */*"]
    assert lines[b"Accept: */*"] is first
    assert lines[b"Secret: 1"] is not lines[b"Secret: 1"]
    assert lines.keys() == {b"Accept: */*"}


def test_spellings_are_not_confused() -> None:
    lines = memory()
    texts = (b"X: ab", b"x: ab", b"X:ab", b"X: ab ", b"X: AB", b"X: ab\t")
    assert [lines[text][1:] for text in texts * 2] == [
        (b"ab", b"X: ab\r\n"),
        (b"ab", b"x: ab\r\n"),
        (b"ab", b"X: ab\r\n"),
        (b"ab", b"X: ab\r\n"),
        (b"AB", b"X: AB\r\n"),
        (b"ab", b"X: ab\r\n"),
    ] * 2


@sources_only
def test_changing_values_are_remembered_a_few_times_only() -> None:
    lines = memory()
    for number in range(50):
        assert lines[b"traceparent: %d" % number][1] == b"%d" % number
    assert len(lines) == 8
    assert lines[b"accept: */*"] is lines[b"accept: */*"], "other names still have room"


@sources_only
def test_a_long_line_is_not_remembered() -> None:
    lines = memory()
    longest = b"a: " + b"x" * 253
    assert len(longest) == 256
    assert lines[longest] is lines[longest]
    longer = longest + b"y"
    assert lines[longer] is not lines[longer]
    assert lines[longer] == (KEPT, longer[3:], longer + b"\r\n")
    assert max(map(len, lines)) == 256


def test_invented_lines_cannot_fill_the_memory() -> None:
    lines = memory()
    for number in range(3000):
        for value in (b"1", b"2"):
            assert lines[b"x-%d: %b" % (number, value)][1] == value
    assert len(lines) == 1024
    assert len(lines._values) <= 1024
    assert lines[b"accept: */*"] == (KEPT, b"*/*", b"accept: */*\r\n"), "read, if not remembered"
    assert len(lines) == 1024


def test_the_lines_between_the_first_and_the_empty_one_are_fields() -> None:
    for fields in ([], [b"a: 1"], [b"a: 1", b"b: 2", b"c\n"]):
        head = b"".join(line + b"\r\n" for line in (b"GET / HTTP/1.1", *fields, b""))
        assert field_lines(head.split(b"\r\n")) == fields


def test_the_number_of_lines_is_bounded() -> None:
    def head(fields: int) -> list[bytes]:
        return [b"GET / HTTP/1.1", *[b"a: 1"] * fields, b"", b""]

    assert len(field_lines(head(MAX_FIELDS))) == MAX_FIELDS
    with pytest.raises(ProtocolViolation) as refused:
        field_lines(head(MAX_FIELDS + 1))
    assert refused.value.reason == "too_many_fields"


def test_the_name_of_a_line_is_in_lower_case() -> None:
    assert name_of(memory()[b"X-One:a: b"][2]) == b"x-one"


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"AUTHORIZATION",
        b"Proxy-Authorization",
        b"X-Api-Key",
        b"x_api_key",
        b"Cookie",
        b"X-Team-Token",  # the route's own
        b"x_team_token",
        b"X-Devwiz-Gw-Token",
        b"x-devwiz-gw-token",
        b"X_Devwiz_Gw_Token",
        b"X-Forwarded-Client-Cert",
        b"Forwarded",
        b"Keep-Alive",
        b"TE",
    ],
)
def test_what_a_client_proves_itself_with_or_what_is_stripped_is_never_remembered(
    name: bytes,
) -> None:
    rules = header_rules(headers=(("x-team-token", "ours"),))
    for _ in range(3):
        request = request_with(rules, b"Accept: */*", name + b": " + VALUE)
        assert not any(VALUE in line for line in request.forwarded)
    with pytest.raises(ProtocolViolation):
        request_with(rules, name + b": " + VALUE, b"Content-Length: x")
    assert not holds(rules.lines, VALUE)
    assert holds(rules.lines, b"*/*"), "other lines are remembered"


@pytest.mark.parametrize("name", [b"Cookie", b"X-Api-Key", b"Authorization", b"via", b"X-Anything"])
def test_what_a_route_passes_through_is_never_remembered(name: bytes) -> None:
    rules = header_rules(pass_headers=(name.decode().lower(),), headers=())
    for _ in range(3):
        request = request_with(rules, b"Accept: */*", name + b": " + VALUE)
        assert request.forwarded == [b"Accept: */*\r\n", name + b": " + VALUE + b"\r\n"]
    assert not holds(rules.lines, VALUE)
    assert holds(rules.lines, b"*/*"), "other lines are remembered"


def test_the_local_token_is_read_anew_each_time() -> None:
    rules = header_rules()
    for token in (b"right", b"wrong", b"right"):
        assert request_with(rules, b"X-Devwiz-Gw-Token: " + token).local_token == token
    assert request_with(rules).local_token == b""
    assert not holds(rules.lines, b"right")


def test_each_routes_rules_have_their_own_memory() -> None:
    line = b"X-Team-Name: " + VALUE
    open_rules = header_rules()
    for _ in range(2):
        assert request_with(open_rules, line).forwarded == [line + b"\r\n"]
    assert holds(open_rules.lines, VALUE), "to this route it is a field like any other"
    own = header_rules(headers=(("x-team-name", "ours"),))
    assert VALUE not in own.request_head(request_with(own, line))
    assert not holds(own.lines, VALUE)


@pytest.mark.parametrize(
    "name",
    [
        b"Set-Cookie",
        b"set-cookie",
        b"SET-COOKIE",
        b"Mcp-Session-Id",
        b"mcp-session-id",
        b"WWW-Authenticate",
        b"Authentication-Info",
        b"Location",
        b"Content-Location",
    ],
)
def test_what_a_response_sets_or_names_a_session_with_is_passed_on_and_never_remembered(
    of_responses: FieldLines, name: bytes
) -> None:
    for _ in range(3):
        response = response_with(b"Server: x", name + b": " + VALUE)
        assert response.forwarded == [b"Server: x\r\n", name + b": " + VALUE + b"\r\n"]
    assert not holds(of_responses, VALUE)
    assert of_responses.keys() == {b"Server: x"}


@pytest.mark.parametrize("name", [b"Proxy-Authenticate", b"Keep-Alive", b"Trailer", b"Alt-Svc"])
def test_what_a_response_is_stripped_of_is_never_remembered(
    of_responses: FieldLines, name: bytes
) -> None:
    for _ in range(3):
        assert response_with(b"Server: x", name + b": " + VALUE).forwarded == [b"Server: x\r\n"]
    assert of_responses.keys() == {b"Server: x"}


def test_what_becomes_of_a_head_does_not_change_the_memory(of_responses: FieldLines) -> None:
    """Location values are mapped and secrets replaced in the head, not in what others get."""
    fields = (b"X-Echo: s3cr3t-value", b"Location: https://agent.example/a")
    plain = [field + b"\r\n" for field in fields]
    for _ in range(2):
        response = response_with(*fields)
        assert response.forwarded == plain
        sent = header_rules().response_head(response, local=b"h", connection=b"")
        assert b"s3cr3t-value" not in sent
        assert b"\r\nLocation: http://h/a\r\n" in sent
    rules = header_rules()
    for _ in range(2):
        request = request_with(rules, b"X-One: 1", b"X-Two: 2")
        assert request.forwarded == [b"X-One: 1\r\n", b"X-Two: 2\r\n"]
        request.forwarded.clear()


@pytest.mark.parametrize("name", [b"Mcp-Session-Id", b"X-Auth-Token", b"X-Goog-Api-Key"])
def test_fields_that_may_hold_a_secret_pass_and_are_not_remembered(name: bytes) -> None:
    line = name + b": " + VALUE
    rules = header_rules()
    assert request_with(rules, line).forwarded == [line + b"\r\n"]
    assert not holds(rules.lines, VALUE)
