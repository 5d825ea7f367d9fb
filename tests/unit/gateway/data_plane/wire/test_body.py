"""Bodies: what of them is passed on, where they end, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.data_plane.wire.body import (
    MAX_CHUNK_LINE,
    MAX_TRAILER,
    NO_BODY,
    Body,
    Chunked,
    FixedLength,
    NoBody,
    UntilClose,
)
from gateway.data_plane.wire.fields import Field
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.compiled import sources_only


def all_trailers(fields: list[Field]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def feed_bytes(body: Body, data: bytes) -> bytes:
    """Feed byte by byte until the body is done; the bytes behind it are not fed."""
    out = b""
    for at in range(len(data)):
        if body.done:
            break
        out += body.feed(data[at : at + 1])
    return out


def test_no_body_is_complete_and_takes_nothing() -> None:
    assert NO_BODY.done
    assert (NO_BODY.framing, NO_BODY.leftover, NO_BODY.end()) == (b"", b"", b"")
    with pytest.raises(ProtocolViolation) as refused:
        NO_BODY.feed(b"x")
    assert refused.value.reason == "unexpected_body"
    assert NoBody(b"Content-Length: 7\r\n").framing == b"Content-Length: 7\r\n"


def test_a_fixed_length_ends_after_its_bytes() -> None:
    body = FixedLength(5)
    assert body.framing == b"Content-Length: 5\r\n"
    assert body.feed(b"he") == b"he"
    assert not body.done
    assert body.end() is None
    assert body.feed(b"lloGET /") == b"llo"
    assert (body.done, body.leftover, body.end()) == (True, b"GET /", b"")


def test_a_fixed_length_of_zero_is_done_at_once() -> None:
    body = FixedLength(0)
    assert body.done
    assert body.framing == b"Content-Length: 0\r\n"


def test_a_body_until_close_is_given_on_in_chunks() -> None:
    body = UntilClose(chunked=True)
    assert body.framing == b"Transfer-Encoding: chunked\r\n"
    assert body.feed(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert body.feed(b"") == b""  # an empty chunk would end the body
    assert not body.done
    assert body.end() == b"0\r\n\r\n"
    assert body.done


def test_a_body_until_close_stays_so_for_an_old_client() -> None:
    body = UntilClose(chunked=False)
    assert (body.framing, body.feed(b"abc"), body.end()) == (b"", b"abc", b"")


CANONICAL = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"


@sources_only
def test_a_canonical_body_is_answered_as_the_same_object() -> None:
    body = Chunked()
    piece = CANONICAL[:-5]
    assert body.feed(piece) is piece


@pytest.mark.parametrize(
    ("data", "relayed", "payload"),
    [
        (CANONICAL, CANONICAL, b"hello0123456789"),
        (b"0\r\n\r\n", b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b"0\r\n\r\n", b""),
        (b"0005\r\nhello\r\n00\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"0" * 19 + b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;x\r\nhello\r\n0;y=z\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b'5;a="b;\\"c";d\r\nhello\r\n0\r\n\r\n', b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b'5;a=""\r\nhello\r\n0\r\n\r\n', b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"\r\n0\r\n"),
    ],
)
def test_chunks_are_followed(data: bytes, relayed: bytes, payload: bytes) -> None:
    body = Chunked()
    assert body.feed(data + b"GET /") == relayed
    assert (body.done, body.leftover, body.end()) == (True, b"GET /", b"")
    decoder = Chunked(decode=True)
    assert decoder.framing == b""
    assert decoder.feed(data + b"GET /") == payload
    assert (decoder.done, decoder.leftover) == (True, b"GET /")


BAD_CHUNKS = [
    b"\r\n",
    b"g\r\n",
    b"-5\r\nhello\r\n",
    b"+5\r\nhello\r\n",
    b"0x5\r\nhello\r\n",
    b"5_0\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b" 5\r\nhello\r\n",
    b"\t5\r\nhello\r\n",
    b"5\nhello\r\n",
    b"5\rhello\r\n",
    b"5\r\r\nhello\r\n",
    b"5\n\r\nhello\r\n",
    b"5\x00\r\nhello\r\n",
    b"5\x0b\r\nhello\r\n",
    b"\xef\xbc\x95\r\nhello\r\n",  # a full-width digit
    b"5;\r\nhello\r\n",
    b"5; x\r\nhello\r\n",
    b"5 ;x\r\nhello\r\n",
    b"5;x =y\r\nhello\r\n",
    b"5;x= y\r\nhello\r\n",
    b"5;x=\r\nhello\r\n",
    b"5;=y\r\nhello\r\n",
    b'5;x="y\r\nhello\r\n',
    b'5;x="\\"\r\nhello\r\n',
    b'5;x="a\nb"\r\nhello\r\n',
    b'5;x="y"z\r\nhello\r\n',
    b"5;x\rGET\r\nhello\r\n",
    b"5;;x\r\nhello\r\n",
    b"5;\x80\r\nhello\r\n",
    b"5,5\r\nhello\r\n",
    b"5.0\r\nhello\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",  # 68 bits
    b"10000000000000005\r\nhello\r\n",  # 5 for who counts in 64 bits
    b"0" * 20 + b"5\r\nhello\r\n",
    b"5\r\nhello5\r\nhello\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello \r\n0\r\n\r\n",
    b"4\r\nhello\r\n",
    b"5\r\nhell\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("data", BAD_CHUNKS)
@pytest.mark.parametrize("decode", [False, True])
def test_a_bad_chunk_is_refused_however_it_arrives(data: bytes, decode: bool) -> None:
    for read in (lambda body, data: body.feed(data), feed_bytes):
        with pytest.raises(ProtocolViolation) as refused:
            read(Chunked(decode=decode), data)
        assert refused.value.reason == "bad_chunk"


@pytest.mark.parametrize("line", [b"5\n", b"\n", b"5;a\rb", b"5;a=\nb"])
def test_a_bare_cr_or_lf_in_a_chunk_line_is_refused_before_the_line_ends(line: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Chunked().feed(line)


@pytest.mark.parametrize("read", [lambda body, data: body.feed(data), feed_bytes])
def test_the_length_of_a_chunk_line_is_bounded(read: Callable[[Body, bytes], bytes]) -> None:
    longest = b"5;" + b"x" * (MAX_CHUNK_LINE - 2)
    assert read(Chunked(), longest + b"\r\nhello\r\n") == b"5\r\nhello\r\n"
    with pytest.raises(ProtocolViolation):
        read(Chunked(), longest + b"x\r\nhello\r\n")


def test_an_endless_chunk_line_is_refused() -> None:
    body = Chunked()
    with pytest.raises(ProtocolViolation):
        for _ in range(100):
            body.feed(b"0" * 100)


def test_nothing_of_the_end_is_passed_on_before_it_is_whole() -> None:
    body = Chunked(trailers=all_trailers)
    assert body.feed(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r") == b"5\r\nhello\r\n"
    assert not body.done
    assert body.end() is None
    assert body.feed(b"\n") == b"0\r\nX-Sum: 1\r\n\r\n"
    assert body.done


def test_trailers_of_requests_are_dropped() -> None:
    body = Chunked()
    assert body.feed(b"0\r\nAuthorization: mine\r\nX-Sum: 1\r\n\r\nrest") == b"0\r\n\r\n"
    assert body.leftover == b"rest"


def test_the_trailer_rule_says_what_is_passed_on() -> None:
    seen: list[Field] = []

    def rule(fields: list[Field]) -> bytes:
        seen.extend(fields)
        return b"X-Kept: yes\r\n"

    assert Chunked(trailers=rule).feed(b"0\r\nA: 1\r\nB: 2\r\n\r\n") == b"0\r\nX-Kept: yes\r\n\r\n"
    assert seen == [(b"A", b"1"), (b"B", b"2")]
    assert Chunked(decode=True, trailers=rule).feed(b"0\r\nA: 1\r\n\r\n") == b""


@pytest.mark.parametrize(
    "trailer",
    [
        b"A\r\n\r\n",
        b"A : 1\r\n\r\n",
        b" A: 1\r\n\r\n",
        b"A: 1\r\n 2\r\n\r\n",
        b"A: 1\nB: 2\r\n\r\n",
        b"A: 1\rB: 2\r\n\r\n",
        b"A: \x00\r\n\r\n",
        b"\nA: 1\r\n\r\n",
        b"A: 1\r\n\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Content-Length: 5\r\n\r\n",
        b"TRANSFER-ENCODING: chunked\r\n\r\n",
        b"A: 1\r\nhost: x\r\n\r\n",
        b"Connection: close\r\n\r\n",
        b"A: 1\r\n" * 129 + b"\r\n",
    ],
)
def test_a_bad_trailer_is_refused_however_it_arrives(trailer: bytes) -> None:
    for read in (lambda body, data: body.feed(data), feed_bytes):
        with pytest.raises(ProtocolViolation):
            read(Chunked(trailers=all_trailers), b"0\r\n" + trailer)


@pytest.mark.parametrize("begin", [b"\n", b"A: 1\n", b"A\rB", b"A: 1\r\n\n"])
def test_a_bare_cr_or_lf_in_a_trailer_is_refused_before_its_end(begin: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        Chunked().feed(b"0\r\n" + begin)
    assert refused.value.reason == "bad_trailer"


@pytest.mark.parametrize("read", [lambda body, data: body.feed(data), feed_bytes])
def test_the_length_of_a_trailer_is_bounded(read: Callable[[Body, bytes], bytes]) -> None:
    longest = b"A: " + b"x" * (MAX_TRAILER - 7)
    body = Chunked()
    read(body, b"0\r\n" + longest + b"\r\n\r\n")
    assert body.done
    with pytest.raises(ProtocolViolation) as refused:
        read(Chunked(), b"0\r\n" + longest + b"x\r\n\r\n")
    assert refused.value.reason == "bad_trailer"
