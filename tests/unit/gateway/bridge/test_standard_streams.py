"""`gateway.bridge.standard_streams`: lines of any length, and both ends."""

from __future__ import annotations

import asyncio
import os

from gateway.bridge.standard_streams import Lines, Output


async def read(data: bytes, most: int = 10) -> list[bytes | None]:
    ours, theirs = os.pipe()
    lines = Lines(ours, most)
    os.write(theirs, data)
    os.close(theirs)
    found = [line async for line in lines]
    os.close(ours)
    return found


async def test_lines_are_told_apart() -> None:
    assert await read(b"a\n\nb\r\nlast") == [b"a", b"", b"b\r", b"last"]
    assert await read(b"") == []


async def test_a_line_that_is_too_long_is_left_out() -> None:
    assert await read(b"a\n" + b"x" * 200_00 + b"\nb\n" + b"y" * 11) == [b"a", None, b"b", None]


async def test_a_reader_that_went_away_ends_the_lines() -> None:
    ours, theirs = os.pipe()
    to_read, to_write = os.pipe()
    lines = Lines(ours, 10)
    output = Output(to_write, lines)
    await output.write(b"a")
    assert os.read(to_read, 10) == b"a\n"
    os.close(to_read)
    await output.write(b"b")
    async with asyncio.timeout(20):
        assert [line async for line in lines] == []
    for descriptor in (theirs, to_write):
        os.close(descriptor)
