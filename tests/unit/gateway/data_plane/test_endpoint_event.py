"""The endpoint event, by examples; `tests/property/test_edited_streams.py` holds the properties."""

from __future__ import annotations

import pytest

from gateway.data_plane.endpoint_event import EndpointEvent
from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec

OWN = b"event: endpoint\ndata: https://agent.example/m?s=1\n\n"
MAPPED = b"event: endpoint\ndata: http://127.0.0.1:8701/m?s=1\n\n"


def made() -> EndpointEvent:
    return EndpointEvent(OriginMap(route_spec()), b"127.0.0.1:8701")


@pytest.mark.parametrize(
    ("pieces", "passed"),
    [
        ([OWN], [MAPPED]),
        ([OWN + OWN], [MAPPED + OWN]),
        ([OWN[:-1], b"\n"], [b"", MAPPED]),
        ([b": hi\n\n", b": hi\n", OWN], [None, None, MAPPED]),
        ([b": hi\r", b"\n", b": hi\r\n", b"\r\n", OWN], [None, None, None, None, MAPPED]),
        ([b": hi\n", b"e"], [None, b""]),
        ([b": h", b"i\n" + OWN], [b"", b": hi\n" + MAPPED]),
        ([b"\xef\xbb\xbf: hi\n", OWN], [None, MAPPED]),
        ([b"retry: 3\n: hi\n", OWN[:5]], [b"", b""]),
        ([b"retry: 3\n\n" + OWN], [b"retry: 3\n\n" + MAPPED]),
        ([b"\xef", b"\xbb\xbf" + OWN], [b"", b"\xef\xbb\xbf" + MAPPED]),
        # What can't be it any more isn't kept.
        ([b"event: e", b"x"], [b"", b"event: ex"]),
        ([b"data: https://agent.example.evil/"], [b""]),
        ([b"data: {"], [b"data: {"]),
        ([b"x"], [b"x"]),
        ([b"data: /m\n\n" + OWN], [b"data: /m\n\n" + OWN]),
        (
            [b"data: https://agent.example/m\n\n" + OWN],
            [b"data: https://agent.example/m\n\n" + OWN],
        ),
        ([b"data: https://agent.example/\ndata: x\nevent: endpoint\n\n"], [None]),
        ([b"id: " + b"1" * 8190], [None]),
    ],
)
def test_pieces(pieces: list[bytes], passed: list[bytes | None]) -> None:
    editor = made()
    for piece, expected in zip(pieces, passed, strict=True):
        assert editor.feed(piece) == (piece if expected is None else expected)


def test_what_is_held_at_the_end_is_passed_on() -> None:
    editor = made()
    assert editor.feed(b"event: endpoint\n") == b""
    assert editor.holds
    assert editor.end() == b"event: endpoint\n"
    assert not editor.holds
