"""Frames survive any cutting of the byte stream, and what is no frame is refused."""

from __future__ import annotations

import pytest

from gateway.ipc.frames import MAX_PAYLOAD, FrameDecoder, FrameError, Kind, encode

FRAMES = [(Kind.READY, b"{}"), (Kind.STATS, b""), (Kind.ACCESS, bytes(range(256)) * 300)]
STREAM = b"".join(encode(kind, payload) for kind, payload in FRAMES)


@pytest.mark.parametrize("step", [1, 2, 5, 7, 4096, len(STREAM)])
def test_frames_in_pieces(step: int) -> None:
    decoder = FrameDecoder()
    found = [
        frame
        for at in range(0, len(STREAM), step)
        for frame in decoder.feed(STREAM[at : at + step])
    ]
    assert found == FRAMES


def test_an_unfinished_frame_waits() -> None:
    decoder = FrameDecoder()
    assert list(decoder.feed(encode(Kind.DRAIN, b"abc")[:-1])) == []
    assert list(decoder.feed(b"c")) == [(Kind.DRAIN, b"abc")]


@pytest.mark.parametrize("kind", [0, len(Kind) + 1, 255])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    with pytest.raises(FrameError, match=f"kind {kind}"):
        list(FrameDecoder().feed(bytes([kind]) + bytes(4)))


def test_a_frame_that_is_too_large_is_refused_before_it_comes() -> None:
    header = bytes([Kind.SNAPSHOT]) + (MAX_PAYLOAD + 1).to_bytes(4, "big")
    with pytest.raises(FrameError):
        list(FrameDecoder().feed(header))
