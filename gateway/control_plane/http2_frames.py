"""Counting the HTTP/2 frames of a byte stream (RFC 9113 §4.1). Pure.

`h2` gives no event for many of them, such as a reset of a stream that is closed, and it keeps a
frame that is too large until it is whole: who is asked to do work for each has to look before.
"""

from __future__ import annotations

from typing import Final

_PREFACE_BYTES: Final = 24
_HEAD_BYTES: Final = 9
_HEADERS: Final = 1
_CONTINUATION: Final = 9


class FrameMeter:
    """What one client sends, its preface (§3.4) first.

    Attributes:
        frame_bytes: length of the longest frame, as soon as it begins.
        block_bytes: length of the latest header block, as far as its frames have begun.
    """

    def __init__(self) -> None:
        self.frame_bytes = 0
        self.block_bytes = 0
        self._rest = _PREFACE_BYTES
        self._head = bytearray()

    def count(self, data: bytes) -> int:
        """The number of frames whose heads become whole with `data`."""
        frames = 0
        at = 0
        while at < len(data):
            if self._rest:
                skipped = min(self._rest, len(data) - at)
                self._rest -= skipped
                at += skipped
                continue
            more = data[at : at + _HEAD_BYTES - len(self._head)]
            self._head += more
            at += len(more)
            if len(self._head) == _HEAD_BYTES:
                frames += 1
                self._begin()
        return frames

    def _begin(self) -> None:
        self._rest = int.from_bytes(self._head[:3])
        self.frame_bytes = max(self.frame_bytes, self._rest)
        if self._head[3] == _HEADERS:
            self.block_bytes = self._rest
        elif self._head[3] == _CONTINUATION:
            self.block_bytes += self._rest
        self._head.clear()
