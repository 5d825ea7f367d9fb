"""No pattern goes back over what it has read: time grows with the input, not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from gateway.data_plane.wire.body import Chunked
from gateway.data_plane.wire.fields import FieldLines, NameTable, parse_fields, parse_token_list
from gateway.data_plane.wire.request import MEMORABLE, parse_request_head
from gateway.data_plane.wire.response import parse_response_head, trailer_lines
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.fakes.routes import header_rules

RULES = header_rules()
SMALL, LARGE = 16 * 1024, 64 * 1024
# Four times the bytes take four times the time if it is linear, and sixteen times if it is
# quadratic. What is this quick can't be quadratic: 64 KiB squared is minutes.
RATIO = 9
QUICK_NS = 3_000_000


def request_with(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((line, b"Host: h", *fields, b"", b""))


def read_line(line: bytes) -> object:
    return FieldLines(NameTable(lambda name: 0), MEMORABLE)[line]


def read_request(head: bytes) -> object:
    return parse_request_head(head, RULES.lines)


def read_response(head: bytes) -> object:
    response = parse_response_head(head, method=b"GET", client_minor=1, trailers=trailer_lines)
    return RULES.response_head(response, local=b"h", connection=b"")


def read_chunks(data: bytes) -> object:
    return Chunked(trailers=RULES.trailers).feed(data)


def read_pieces(data: bytes) -> object:
    body = Chunked()
    return [body.feed(data[at : at + 512]) for at in range(0, len(data), 512)]


GET, OK = b"GET / HTTP/1.1", b"HTTP/1.1 200 OK"
CASES: dict[str, tuple[Callable[[bytes], object], Callable[[int], bytes]]] = {
    "blanks before a field's value": (parse_fields, lambda n: b"a:" + b" \t" * (n // 2) + b"\n"),
    "blanks behind a field's value": (parse_fields, lambda n: b"a: b" + b" " * n + b"\r\n"),
    "a name without its colon": (parse_fields, lambda n: b"a" * n),
    "names without colons": (parse_fields, lambda n: b"a\r\n" * (n // 3)),
    "empty lines": (parse_fields, lambda n: b"\r\n" * (n // 2)),
    "carriage returns": (parse_fields, lambda n: b"a: " + b"\r" * n),
    "colons": (parse_fields, lambda n: b"a" + b":" * n),
    "blanks before a line's value": (read_line, lambda n: b"a:" + b" \t" * (n // 2) + b"\n"),
    "blanks behind a line's value": (read_line, lambda n: b"a: b" + b" " * n),
    "blanks within a line's value": (read_line, lambda n: b"a: " + b"b " * (n // 2) + b"\x00"),
    "a line without its colon": (read_line, lambda n: b"a" * n),
    "a line of colons": (read_line, lambda n: b"a" + b":" * n + b"\r"),
    "lines of a head without colons": (
        read_request,
        lambda n: request_with(GET, *[b"a"] * (n // 3)),
    ),
    "lines of a head": (
        read_request,
        lambda n: request_with(GET, *[b"a:" + b" " * 600] * (n // 604)),
    ),
    "returns in a head": (read_request, lambda n: request_with(GET, b"a: " + b"\r" * n)),
    "blanks in a list": (parse_token_list, lambda n: b"a," + b" " * n + b'"'),
    "blanks between items": (parse_token_list, lambda n: (b"a" + b" " * 64 + b",") * (n // 66)),
    "a long item": (parse_token_list, lambda n: b"a" * n + b'"'),
    "commas": (parse_token_list, lambda n: b"," * n + b'"'),
    "blanks and commas": (parse_token_list, lambda n: b" ," * (n // 2) + b"\x80"),
    "a long target": (read_request, lambda n: request_with(b"GET /" + b"a" * n + b"#")),
    "a long authority": (read_request, lambda n: request_with(b"GET http://" + b"a" * n + GET[5:])),
    "a target of slashes": (read_request, lambda n: request_with(b"GET " + b"/" * n + b"\x80")),
    "percent signs": (read_request, lambda n: request_with(b"GET /" + b"%0" * (n // 2) + GET[5:])),
    "a long method": (read_request, lambda n: request_with(b"A" * n)),
    "a long host": (read_request, lambda n: b"%b\r\nHost: %b@\r\n\r\n" % (GET, b"a" * n)),
    "a host of brackets": (read_request, lambda n: b"%b\r\nHost: %b\r\n\r\n" % (GET, b"[" * n)),
    "a host of colons": (read_request, lambda n: b"%b\r\nHost: [%b\r\n\r\n" % (GET, b":" * n)),
    "a long length": (read_request, lambda n: request_with(GET, b"Content-Length: " + b"1" * n)),
    "nominations": (read_request, lambda n: request_with(GET, b"Connection: " + b"a," * (n // 2))),
    "blanks in Connection": (
        read_request,
        lambda n: request_with(GET, b"Connection: a," + b" " * n + b";"),
    ),
    "a long reason": (read_response, lambda n: OK + b"\t " * (n // 2) + b"\x00\r\n\r\n"),
    "a long Location": (
        read_response,
        lambda n: b"%b\r\nLocation: %b\r\n\r\n" % (OK, b"https://agent.example" * (n // 21)),
    ),
    "an echoed secret": (
        read_response,
        lambda n: b"%b\r\nA: %b\r\n\r\n" % (OK, b"s3cr3t-value" * (n // 12)),
    ),
    "a long chunk line": (read_chunks, lambda n: b"0" * n + b"\r\n"),
    "many extensions": (read_chunks, lambda n: b"1" + b";a" * (n // 2) + b"\r\n"),
    "an extension of quotes": (read_chunks, lambda n: b'1;a="' + b'\\"' * (n // 2) + b"\r\n"),
    "padded chunks": (read_chunks, lambda n: b"01\r\na\r\n" * (n // 7)),
    "extended chunks": (read_chunks, lambda n: b'1;a="b"\r\na\r\n' * (n // 12)),
    "chunks in pieces": (read_pieces, lambda n: b'1;a="b"\r\na\r\n' * (n // 12)),
    "a long trailer": (read_chunks, lambda n: b"0\r\na: " + b" " * n + b"\r\n\r\n"),
}


def cost_ns(read: Callable[[bytes], object], data: bytes) -> int:
    """Processor time of the quickest of five readings."""
    costs = []
    for _ in range(5):
        began = time.thread_time_ns()
        with suppress(ProtocolViolation):
            read(data)
        costs.append(time.thread_time_ns() - began)
        if costs[-1] < QUICK_NS:
            break
    return min(costs)


@pytest.mark.parametrize("name", CASES)
def test_time_grows_with_the_input(name: str) -> None:
    read, build = CASES[name]
    large = cost_ns(read, build(LARGE))
    assert large < QUICK_NS or large < RATIO * cost_ns(read, build(SMALL))


def test_the_measure_tells_a_quadratic_reader() -> None:
    def quadratic(data: bytes) -> object:
        return [data.count(b"x", at) for at in range(0, len(data), 8)]

    assert cost_ns(quadratic, b"a" * LARGE) > RATIO * cost_ns(quadratic, b"a" * SMALL)
