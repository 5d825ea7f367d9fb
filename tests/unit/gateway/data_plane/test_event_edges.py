"""Where a stream stands between two events, by examples; `tests/property/test_edited_streams.py`
holds the properties.
"""

from __future__ import annotations

import pytest

from gateway.data_plane.event_edges import EventEdges

NOTE = b": note\n\n"


@pytest.mark.parametrize(
    ("pieces", "between"),
    [
        ([], True),
        ([b"data: 1\n\n"], True),
        ([b"data: 1\r\n\r\n"], True),
        ([b"data: 1\r\n", b"\r", b"\n"], True),
        ([b"data: 1\r\r"], True),
        ([b"data: 1\r", b"\r"], True),
        ([b": hi\n"], True),
        ([b"\n"], True),
        ([b"data: 1\n\n: h"], False),
        ([b"data: 1\n"], False),
        ([b"data: 1\n: hi\n"], False),
        ([b"data: 1\r\n\r"], False),
        ([b": hi\r"], False),
        ([b"d"], False),
    ],
)
def test_between(pieces: list[bytes], between: bool) -> None:
    edges = EventEdges()
    for piece in pieces:
        assert edges.feed(piece) == piece
    assert edges.between == between
    assert edges.moved == bool(pieces)


def test_no_byte_order_mark_stands_behind_a_comment() -> None:
    edges = EventEdges()
    assert edges.insert(NOTE) == NOTE
    assert edges.feed(b"\xef") == b""
    assert edges.between
    assert edges.feed(b"\xbb\xbfdata") == b"data"
    assert edges.feed(b"\xef\xbb\xbf") == b"\xef\xbb\xbf"


def test_half_a_mark_is_none() -> None:
    edges = EventEdges()
    edges.insert(NOTE)
    assert edges.feed(b"\xef\xbb") == b""
    assert edges.end() == b"\xef\xbb"
