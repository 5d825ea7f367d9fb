"""The bridge reads an event stream as the standard says it, however the network cuts it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.event_stream import EventReader
from tests.fakes.event_source import EventSource, interpreted
from tests.property.cuts import byte_by_byte, cut
from tests.property.effort import effort

NAMES = (b"data", b"event", b"id", b"retry", b"other", b"Data", b"", b" data", b"\xef\xbb\xbfdata")
VALUES = (
    *(b"", b" ", b"  two", b"a:b", b" \xc3\xa4\xff\xc3", b" a\0b", b"\xef\xbb\xbf", b" endpoint"),
    *(b" 007", b" 1x", b" -1", b" +1", b" 1 ", b"\xd9\xa3", b" 123456789"),
)
ENDS = (b"\n", b"\r", b"\r\n")


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(NAMES))
    return draw(st.sampled_from((b"", name, *(name + b":" + value for value in VALUES))))


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    parts = [
        draw(st.sampled_from((b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"\xef\xbb")))
    ]
    for line in draw(st.lists(lines(), max_size=12)):
        parts += [line, *draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=2))]
    return b"".join(parts) + draw(st.sampled_from((b"", b"data: unfinished", b"retry: 7")))


def read(pieces: list[bytes]) -> EventSource:
    """By the bridge's reader, and what the bridge makes of it."""
    reader = EventReader(1_000_000)
    source = EventSource()
    for piece in pieces:
        for event in reader.feed(piece):
            source.last_id = event.id
            source.retry_ms = source.retry_ms if event.retry_ms is None else event.retry_ms
            if event.data:
                source.events.append((event.kind, event.data.decode(errors="replace"), event.id))
    source.retry_ms = source.retry_ms if reader.retry_ms is None else reader.retry_ms
    return source


def with_data(source: EventSource) -> EventSource:
    """An event whose data is empty is no message to anybody."""
    source.events = [event for event in source.events if event[1]]
    return source


@effort(500)
@given(st.data())
def test_it_reads_what_a_browser_does(data: st.DataObject) -> None:
    stream = data.draw(streams())
    expected = with_data(interpreted(stream))
    assert read(data.draw(cut(stream))) == expected
    assert read(byte_by_byte(stream)) == expected
