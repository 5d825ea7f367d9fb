"""Edited bodies, by examples; `tests/property/test_edited_streams.py` holds the properties."""

from __future__ import annotations

import pytest

from gateway.data_plane.wire.body import Chunked, FixedLength, UntilClose
from gateway.data_plane.wire.edited import EditedBody, Editor, chunk
from gateway.data_plane.wire.response import trailer_lines
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.compiled import sources_only

pytestmark = sources_only


class Louder(Editor):
    """In capitals, up to a full stop."""

    def __init__(self) -> None:
        self.done = False

    def feed(self, payload: bytes) -> bytes:
        if self.done:
            return payload
        loud, stop, rest = payload.partition(b".")
        self.done = stop != b""
        return loud.upper() + stop + rest

    def end(self) -> bytes:
        return b"!"


def chunked() -> EditedBody:
    return EditedBody(Chunked(trailers=trailer_lines), Louder(), trailer_lines)


def test_a_body_of_known_length_is_chunked() -> None:
    body = EditedBody(FixedLength(3), Louder(), trailer_lines)
    assert body.framing == b"Transfer-Encoding: chunked\r\n"
    assert body.feed(b"ab") == b"2\r\nAB\r\n"
    assert body.end() is None
    assert body.feed(b"cd") == b"1\r\nC\r\n1\r\n!\r\n0\r\n\r\n"
    assert (body.done, body.leftover) == (True, b"d")


def test_one_that_ends_with_its_connection_too() -> None:
    body = EditedBody(UntilClose(chunked=True), Louder(), trailer_lines)
    assert body.feed(b"ab") == b"2\r\nAB\r\n"
    assert body.end() == b"1\r\n!\r\n0\r\n\r\n"
    assert body.done


def test_trailers_are_kept() -> None:
    body = chunked()
    assert body.feed(b"1\r\na\r\n0\r\nX-A: 1\r\nDate: x\r\n\r\n") == (
        b"1\r\nA\r\n1\r\n!\r\n0\r\nX-A: 1\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("first", "passed"),
    [
        (b"5\r\na.", b"5\r\nA."),
        (b"2\r\na.", b"2\r\nA."),
        (b"2\r\na.\r", b"2\r\nA.\r"),
        (b"2\r\na.\r\n", b"2\r\nA.\r\n"),
        (b"1\r\na\r\n3\r\n.", b"4\r\nA."),
        (b"2\r\na.\r\n3", b"2\r\nA.\r\n"),
        (b"2\r\na.\r\n0\r\nX-A", b"2\r\nA.\r\n"),
    ],
)
def test_a_chunked_body_is_passed_on_as_it_comes_once_the_editor_is_done(
    first: bytes, passed: bytes
) -> None:
    rest = {
        b"5\r\na.": b"bcd\r\n",
        b"2\r\na.": b"\r\n",
        b"2\r\na.\r": b"\n",
        b"1\r\na\r\n3\r\n.": b"bc\r\n",
        b"2\r\na.\r\n3": b"\r\nbcd\r\n",
        b"2\r\na.\r\n0\r\nX-A": b": 1\r\n\r\n",
    }.get(first, b"")
    body = chunked()
    assert body.feed(first) == passed
    ends = first.endswith(b"X-A")
    got = passed + body.feed(rest + (b"" if ends else b"0\r\n\r\n"))
    reader = Chunked(decode=True)
    assert reader.feed(got).startswith(b"A.")
    assert (body.done, reader.done, reader.leftover) == (True, True, b"")
    assert got.endswith(b"0\r\nX-A: 1\r\n\r\n" if ends else b"0\r\n\r\n")
    assert body.end() is None


def test_what_is_no_chunk_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        chunked().feed(b"+1\r\na")


def test_nothing_makes_no_chunk() -> None:
    assert chunk(b"") == b""
