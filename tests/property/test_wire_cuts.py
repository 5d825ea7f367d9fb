"""A body reads the same however the network cuts it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.wire.body import Body, Chunked, FixedLength, UntilClose
from gateway.data_plane.wire.response import trailer_lines
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.data.vectors import EVERY_VECTOR
from tests.property.cuts import cut
from tests.property.effort import effort

BODIES: dict[str, Callable[[], Body]] = {
    "relayed": lambda: Chunked(trailers=trailer_lines),
    "decoded": lambda: Chunked(decode=True, trailers=trailer_lines),
    "dropping trailers": Chunked,
}
AFTER_HEADS = sorted(
    {
        vector.data.partition(b"\r\n\r\n")[2]
        for vector in EVERY_VECTOR
        if b"ransfer-encoding: " in vector.data.lower()
    }
)


def read(body: Body, pieces: list[bytes]) -> tuple[str, bytes, bytes]:
    """How it ended, what came out, and what stands behind the body."""
    out = b""
    for index, piece in enumerate(pieces):
        try:
            out += body.feed(piece)
        except ProtocolViolation:
            return "refused", b"", b""
        if body.done:
            return "done", out, body.leftover + b"".join(pieces[index + 1 :])
    return "more", out, b""


def in_two(data: bytes) -> list[list[bytes]]:
    return [[data[:at], data[at:]] for at in range(1, len(data))]


@st.composite
def chunked_body(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A well-formed chunked body in any spelling, and its payload."""
    data = payload = b""
    extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b;\\"c\\"";d=e'])
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"%012X"])) % len(chunk)
        data += size + draw(extensions) + b"\r\n" + chunk + b"\r\n"
        payload += chunk
    data += draw(st.sampled_from([b"0", b"000"])) + draw(extensions) + b"\r\n"
    for name in draw(st.lists(st.sampled_from([b"X-A", b"grpc-status", b"Etag"]), max_size=3)):
        data += name + b": " + draw(st.sampled_from([b"", b"1", b"a: b"])) + b"\r\n"
    return data + b"\r\n", payload


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("data", AFTER_HEADS)
def test_every_vector_reads_the_same_in_two_pieces_and_byte_by_byte(kind: str, data: bytes) -> None:
    whole = read(BODIES[kind](), [data])
    for pieces in ([data[at : at + 1] for at in range(len(data))], *in_two(data)):
        assert read(BODIES[kind](), pieces) == whole


@given(data=st.data())
@effort(150)
def test_a_chunked_body_reads_as_its_payload_however_it_is_cut(data: st.DataObject) -> None:
    body, payload = data.draw(chunked_body())
    rest = data.draw(st.binary(max_size=10))
    pieces = data.draw(cut(body + rest))
    assert read(Chunked(decode=True), pieces) == ("done", payload, rest)
    how, relayed, behind = read(Chunked(trailers=trailer_lines), pieces)
    assert (how, behind) == ("done", rest)
    assert read(Chunked(decode=True), [relayed]) == ("done", payload, b"")
    assert read(Chunked(trailers=trailer_lines), [body + rest]) == ("done", relayed, rest)


@given(data=st.data())
@effort(50)
def test_a_cut_off_chunked_body_is_never_complete(data: st.DataObject) -> None:
    whole, _ = data.draw(chunked_body())
    body = Chunked(trailers=trailer_lines)
    body.feed(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert not body.done
    assert body.end() is None


@given(data=st.data(), payload=st.binary(max_size=60), rest=st.binary(max_size=20))
@effort(60)
def test_a_fixed_length_ends_where_it_says_however_it_is_cut(
    data: st.DataObject, payload: bytes, rest: bytes
) -> None:
    body = FixedLength(len(payload))
    if not payload:
        assert body.done
        return
    assert read(body, data.draw(cut(payload + rest))) == ("done", payload, rest)
    short = FixedLength(len(payload) + 1)
    assert short.feed(payload) == payload
    assert short.end() is None


@given(data=st.data(), payload=st.binary(min_size=1, max_size=60))
@effort(60)
def test_a_body_until_close_reads_as_its_payload_however_it_is_cut(
    data: st.DataObject, payload: bytes
) -> None:
    pieces = data.draw(cut(payload))
    body = UntilClose(chunked=True)
    relayed = b"".join(body.feed(piece) for piece in pieces)
    assert read(Chunked(), [relayed])[0] == "more"
    assert read(Chunked(decode=True), [relayed + (body.end() or b"")]) == ("done", payload, b"")
    plain = UntilClose(chunked=False)
    assert b"".join(plain.feed(piece) for piece in pieces) + (plain.end() or b"") == payload
