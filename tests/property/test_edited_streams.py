"""Event streams that are edited on their way, however the network cuts them: events are the same
but for the one URL, each is passed on as soon as it is complete, and comments stand between them.
What the events are is read as the standard says it, by nothing of ours.
"""

from __future__ import annotations

import re
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.endpoint_event import EndpointEvent
from gateway.data_plane.event_edges import EventEdges
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.silence import COMMENT
from gateway.data_plane.wire.body import Chunked, UntilClose
from gateway.data_plane.wire.edited import EditedBody, chunk
from gateway.data_plane.wire.response import trailer_lines
from tests.fakes.event_source import Dispatched, interpreted
from tests.fakes.routes import route_spec
from tests.property.cuts import byte_by_byte, cut
from tests.property.effort import effort

LOCAL = b"127.0.0.1:8701"
ORIGIN = OriginMap(route_spec())
MARK = b"\xef\xbb\xbf"
LINES = (
    b"event: endpoint",
    b"event:endpoint",
    b"event: message",
    b"data: https://agent.example/message?sessionId=1",
    b"data:https://AGENT.example:443",
    b"data: https://agent.example.evil/message",
    b"data: /message",
    b"data: 1",
    b": ping",
    b":",
    b"id: 7",
    b"retry: 3000",
    "data: grüß dich".encode(),
    b"",
    b"",
)
# No agent begins its stream with these where it names its URL; if one does, nothing is mapped.
ODD = (b"other: 1", b"data", b"event", b"id", b"retry", b"other", b"id: a\0b", b"retry: 1x", MARK)
BEGINNINGS: tuple[list[bytes], ...] = (
    [],
    [LINES[0], LINES[3], b""],
    [LINES[3], LINES[1], b""],
    [b": ping", b"", b"retry: 3000", b"", b"id: 7", LINES[0], LINES[4], b""],
    [LINES[0], LINES[5], b""],
    [LINES[3], b""],
)
ENDS = (b"\n", b"\r\n", b"\r")


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(ENDS))
    lines = draw(st.lists(st.sampled_from((*LINES, *LINES, *ODD)), max_size=9))
    lines = draw(st.sampled_from(BEGINNINGS)) + lines
    ends = [draw(st.sampled_from(ENDS)) if draw(st.integers(0, 9)) == 0 else end for _ in lines]
    first = draw(st.sampled_from((b"", b"", b"", MARK)))
    last = draw(st.sampled_from((b"", b"data: unfin", b"event: end", b"\xef")))
    return first + b"".join(map(b"".join, zip(lines, ends, strict=True))) + last


def events_of(stream: bytes) -> list[Dispatched]:
    """As a client reads them."""
    return interpreted(stream).events


def is_plain(stream: bytes) -> bool:
    """Whether no event has two kinds, a kind and no data, or a line that is odd: then nothing is
    mapped.
    """
    blocks = re.split(rb"(?:\r\n|\n|\r(?!\n)){2}", stream)
    odd = set(re.split(rb"\r\n|\n|\r", stream)).intersection(ODD)
    known = not odd and all(block.count(b"event:") < 2 for block in blocks)
    return known and all(b"event:" not in block or b"data:" in block for block in blocks[:-1])


def as_clients_want(events: list[Dispatched]) -> list[Dispatched]:
    """The URL of the first event mapped, if that is what it is."""
    for kind, data, last_id in events[:1]:
        own = re.fullmatch(r"(?i)https://agent\.example(?::443)?((?:[/?#][^\n]*)?)", data)
        if kind == "endpoint" and own:
            return [(kind, f"http://{LOCAL.decode()}{own[1]}", last_id), *events[1:]]
    return events


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    return draw(cut(draw(streams().filter(bool))))


@effort(400)
@given(cut_streams())
def test_only_the_endpoint_of_the_first_event_is_mapped(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    for cuts in (pieces, byte_by_byte(stream)):
        editor = EndpointEvent(ORIGIN, LOCAL)
        passed = b""
        for piece, whole in zip(cuts, accumulate(cuts), strict=True):
            passed += editor.feed(piece)
            # An event that is complete isn't held back.
            if is_plain(whole):
                assert events_of(passed) == as_clients_want(events_of(whole))
        passed += editor.end()
        assert editor.feed(b"event: endpoint\n") == b"event: endpoint\n"
        if events_of(passed) == events_of(stream):
            assert passed == stream
        else:
            assert events_of(passed) == as_clients_want(events_of(stream))
            assert passed.replace(b"http://" + LOCAL, b"", 1) in {
                stream.replace(b"https://agent.example", b"", 1),
                stream.replace(b"https://AGENT.example:443", b"", 1),
            }


def inserted(edges: EventEdges, comment: bytes = COMMENT) -> bytes:
    return edges.insert(comment) if edges.between else b""


@effort(400)
@given(cut_streams())
def test_comments_change_no_event(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    for cuts in (pieces, byte_by_byte(stream)):
        edges = EventEdges()
        passed = inserted(edges)
        for piece in cuts:
            passed += edges.feed(piece)
            passed += inserted(edges)
        passed += edges.end()
        assert interpreted(passed) == interpreted(stream)
        assert passed.replace(COMMENT, b"").removeprefix(MARK) == stream.removeprefix(MARK)
        # None stands within an event, nor within an end of line.
        for before in passed.split(COMMENT)[:-1]:
            assert not before or before.endswith((b"\n", b"\r"))
        assert b"\r" + COMMENT + b"\n" not in passed or re.search(rb"\r(?!\n)", stream)


@effort(200)
@given(cut_streams(), st.data())
def test_chunks_are_whole_between_two_pieces(pieces: list[bytes], data: st.DataObject) -> None:
    """So a comment can be put there, and what a client decodes is the edited stream."""
    trailer = data.draw(st.sampled_from((b"", b"X-Sum: 1\r\n")))
    sent = b"".join(map(chunk, pieces)) + b"0\r\n" + trailer + b"\r\n"
    stream = b"".join(pieces)
    edges = EventEdges(EndpointEvent(ORIGIN, LOCAL))
    body = EditedBody(Chunked(trailers=trailer_lines), edges, trailer_lines)
    passed = b""
    for piece in data.draw(cut(sent + b"next")):
        if body.done:
            body.leftover += piece
            continue
        passed += body.feed(piece)
        if not body.done:
            passed += chunk(inserted(edges))
    check_chunked(passed, stream, body, trailer)


@effort(200)
@given(cut_streams(), st.data())
def test_a_stream_without_comments_is_passed_on_as_it_comes(
    pieces: list[bytes], data: st.DataObject
) -> None:
    trailer = data.draw(st.sampled_from((b"", b"X-Sum: 1\r\n")))
    sent = b"".join(map(chunk, pieces)) + b"0\r\n" + trailer + b"\r\n"
    body = EditedBody(Chunked(trailers=trailer_lines), EndpointEvent(ORIGIN, LOCAL), trailer_lines)
    passed = b""
    for piece in data.draw(cut(sent + b"next")):
        if body.done:
            body.leftover += piece
        else:
            passed += body.feed(piece)
    check_chunked(passed, b"".join(pieces), body, trailer)


def check_chunked(passed: bytes, stream: bytes, body: EditedBody, trailer: bytes) -> None:
    assert body.done
    assert body.leftover == b"next"
    assert passed.endswith(b"0\r\n" + trailer + b"\r\n")
    reader = Chunked(decode=True)
    read = events_of(reader.feed(passed))
    assert read == as_clients_want(events_of(stream)) or not is_plain(stream)
    assert (reader.done, reader.leftover) == (True, b"")


@effort(100)
@given(cut_streams())
def test_a_stream_that_ends_with_its_connection_is_chunked_too(pieces: list[bytes]) -> None:
    body = EditedBody(UntilClose(chunked=True), EventEdges(), trailer_lines)
    passed = b"".join(map(body.feed, pieces)) + (body.end() or b"")
    reader = Chunked(decode=True)
    assert reader.feed(passed) == b"".join(pieces)
    assert reader.done
