"""`gateway.bridge.event_stream`: the same events, however the bytes are cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.bridge.event_stream import Event, EventReader, EventTooLarge

STREAM = (
    b"\xef\xbb\xbf: hello\r\n\r\nid: 1\r\ndata: a\r\ndata:b\r\n\r\n"
    b"event: endpoint\rdata:  x\r\rretry: 5\n\nid\n\nretry: 1x\nid: a\0b\nignored\n\n"
    b"data\n\ndata: \xc3\xa4\n\ndata: never finished\n"
)
EVENTS = [
    Event(kind="message", data=b"a\nb", id="1", retry_ms=None),
    Event(kind="endpoint", data=b" x", id="1", retry_ms=None),
    Event(kind="message", data=b"", id="1", retry_ms=5),
    Event(kind="message", data=b"", id="", retry_ms=None),
    Event(kind="message", data=b"", id="", retry_ms=None),
    Event(kind="message", data="ä".encode(), id="", retry_ms=None),
]


def read(*chunks: bytes, most: int = 1000) -> list[Event]:
    reader = EventReader(most)
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_a_stream_is_read() -> None:
    assert read(STREAM) == EVENTS


def test_a_wait_counts_although_its_event_is_never_complete() -> None:
    reader = EventReader(1000)
    assert list(reader.feed(b"retry: 5\n\nretry: 7000\n")) == [
        Event(kind="message", data=b"", id="", retry_ms=5)
    ]
    assert reader.retry_ms == 7000


def test_nothing_between_the_halves_of_a_line_end_is_nothing() -> None:
    assert read(b"data: a\r", b"", b"\ndata: b\r", b"", b"", b"\n\r\n")[0].data == b"a\nb"


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
@example([STREAM.index(b"\ndata: a")] * 2)
def test_a_stream_is_read_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(edges)]
    assert read(*chunks) == EVENTS


def test_a_line_in_very_many_pieces_takes_no_longer_each() -> None:
    """What goes over the whole line with each takes minutes for these."""
    reader = EventReader(1 << 24)
    started = time.process_time()
    for _ in range(40_000):
        assert list(reader.feed(b"data: " + b"x" * 250)) == []
    (event,) = reader.feed(b"\n\n")
    assert len(event.data) > 10_000_000
    assert time.process_time() - started < 15


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 99, b"data: xxxxxxxxx\n" * 9, b"x" * 99])
def test_too_large_an_event_is_refused(stream: bytes) -> None:
    with pytest.raises(EventTooLarge):
        read(stream, most=64)
