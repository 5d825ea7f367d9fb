"""Counting frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control_plane.http2_frames import FrameMeter

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=10)


def frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, 0]) + (1).to_bytes(4) + payload


@given(_FRAMES, st.integers(1, 60))
def test_each_frame_is_counted_once_however_it_is_cut(
    frames: list[tuple[int, bytes]], size: int
) -> None:
    data = PREFACE + b"".join(frame(*item) for item in frames)
    meter = FrameMeter()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert sum(meter.count(piece) for piece in pieces) == len(frames)


def test_a_header_block_is_as_long_as_its_frames_together() -> None:
    meter = FrameMeter()
    assert meter.count(PREFACE + frame(1, b"abc") + frame(9, b"de") + frame(9, b"")) == 3
    assert meter.block_bytes == 5
    meter.count(frame(0, bytes(100)))
    assert meter.block_bytes == 5
    meter.count(frame(1, b"x"))
    assert meter.block_bytes == 1


def test_the_longest_frame_is_known_when_it_begins() -> None:
    meter = FrameMeter()
    meter.count(PREFACE + frame(0, bytes(7)) + frame(0, b"") + b"\xff\xff\xff" + bytes(5))
    assert meter.frame_bytes == 7
    meter.count(bytes(1))
    assert meter.frame_bytes == 2**24 - 1
