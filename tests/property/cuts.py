"""How a network may cut a stream."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces, none of them empty."""
    places = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12))
    marks = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(marks) if begin < end]


def byte_by_byte(data: bytes) -> list[bytes]:
    """Each byte by itself."""
    return in_steps(data, 1)


def in_steps(data: bytes, size: int) -> list[bytes]:
    """In pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]
