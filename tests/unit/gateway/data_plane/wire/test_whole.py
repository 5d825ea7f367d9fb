"""A body is kept until it is whole, however it is framed and cut."""

from __future__ import annotations

import pytest

from gateway.data_plane.wire.body import Body, Chunked, FixedLength, UntilClose
from gateway.data_plane.wire.whole import WholeBody


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (lambda: FixedLength(5), b"hellonext"),
        (Chunked, b"2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\nnext"),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_it_is_all_there_at_its_end(body: type[Body], sent: bytes, step: int) -> None:
    whole = WholeBody(body())
    leftover = b""
    for at in range(0, len(sent), step):
        piece = sent[at : at + step]
        if whole.done:
            leftover += piece
        else:
            assert whole.feed(piece) == b""
            leftover = whole.leftover
    assert (whole.payload, leftover, whole.size) == (b"hello", b"next", 5)


def test_a_length_is_known_before_and_others_grow() -> None:
    assert WholeBody(FixedLength(7)).size == 7
    growing = WholeBody(UntilClose(chunked=True))
    growing.feed(b"abc")
    assert (growing.size, growing.done) == (3, False)


def test_the_end_of_the_connection() -> None:
    closed = WholeBody(UntilClose(chunked=True))
    closed.feed(b"abc")
    assert closed.end() == b""
    assert (closed.payload, closed.done) == (b"abc", True)
    assert WholeBody(FixedLength(7)).end() is None
    assert WholeBody(Chunked()).end() is None
