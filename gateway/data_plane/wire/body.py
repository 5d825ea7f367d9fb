"""Where a message body ends: one tracker per framing, fed with the bytes as they arrive.

A tracker is told each piece that was read and answers what of it may be passed on. It never
re-encodes a canonical body: a piece that is canonical all through is answered as the same object.
Source: RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from gateway.data_plane.wire.fields import TOKEN, Field, parse_fields
from gateway.data_plane.wire.violation import ProtocolViolation

MAX_CHUNK_LINE: Final = 1024
#: Longest Content-Length that is believed: under an exabyte.
MAX_LENGTH_DIGITS: Final = 18
MAX_TRAILER: Final = 8192
Trailers = Callable[[list[Field]], bytes]


class Body(ABC):
    """A body in progress.

    `done` turns True with the piece that holds its end; `leftover` then holds the bytes behind it.
    `framing` is the header line that announces the body to the next hop, b"" for none.
    """

    __slots__ = ("done", "framing", "leftover")

    done: bool
    leftover: bytes
    framing: bytes

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """What of `data` to pass on now. Raises `ProtocolViolation`."""

    @abstractmethod
    def end(self) -> bytes | None:
        """The connection was closed cleanly: the last bytes to pass on, or None when the body
        isn't complete without more.
        """


class NoBody(Body):
    """A message without a body: whatever follows belongs to the next message.

    `framing` may tell the length of the body that a GET would have been answered with.
    """

    __slots__ = ()

    def __init__(self, framing: bytes = b"") -> None:
        self.done = True
        self.leftover = b""
        self.framing = framing

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - `Body` has it
        """Not called: the body is done from the start."""
        raise ProtocolViolation("unexpected_body", "bytes where no body may be")

    def end(self) -> bytes | None:
        """Complete as it is."""
        return b""


NO_BODY: Final = NoBody()


class FixedLength(Body):
    """A body of as many bytes as Content-Length says."""

    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.done = length == 0
        self.leftover = b""
        self.framing = b"Content-Length: %d\r\n" % length

    @property
    def remaining(self) -> int:
        """How many bytes are still missing."""
        return self._remaining

    def feed(self, data: bytes) -> bytes:
        """At most the bytes that are still missing."""
        remaining = self._remaining - len(data)
        if remaining > 0:
            self._remaining = remaining
            return data
        self._remaining = 0
        self.done = True
        if remaining < 0:
            self.leftover = data[remaining:]
            return data[:remaining]
        return data

    def end(self) -> bytes | None:
        """Only a body that already got all its bytes is complete."""
        return b"" if self.done else None


class UntilClose(Body):
    """A response that ends with its connection, given on as chunks so that a cut shows.

    With `chunked` False (an HTTP/1.0 client) the bytes are passed as they are, and the client's
    connection has to be reset where the upstream's was cut.
    """

    __slots__ = ("_chunked",)

    def __init__(self, *, chunked: bool) -> None:
        self._chunked = chunked
        self.done = False
        self.leftover = b""
        self.framing = b"Transfer-Encoding: chunked\r\n" if chunked else b""

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def end(self) -> bytes | None:
        """A clean close is the end."""
        self.done = True
        return b"0\r\n\r\n" if self._chunked else b""


# A chunk line as this program would write it; anything else is looked at closely.
_PLAIN_LINE: Final = re.compile(rb"([1-9a-fA-F][0-9a-fA-F]{0,14})\r\n")
# A size has 60 bits and, with zeros before it, 20 digits at most: some readers stop there.
_LINE: Final = re.compile(
    rb"(?=[0-9a-fA-F])0{0,5}+([0-9a-fA-F]{0,15})"
    rb"(?:;" + TOKEN + rb"+"
    rb"(?:=(?:" + TOKEN + rb'+|"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*+"))?)*+'
)
# In a line without CRLF so far: an LF, or a CR that isn't its last byte.
_BROKEN_LINE: Final = re.compile(rb"\n|\r(?!\Z)")
# A recipient that merged these into the head would read another message (RFC 9110 section 6.5.1).
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"host", b"connection"))


def drop_trailers(_fields: list[Field]) -> bytes:
    """The trailer rule for requests: none is passed on (RFC 9110 section 6.5.1 allows it)."""
    return b""


class Chunked(Body):
    """A chunked body, its framing followed chunk by chunk and checked byte by byte.

    Chunk extensions are dropped, as RFC 9112 section 7.1.1 lets a recipient do; trailer fields go
    through `trailers`, which answers the lines to pass on. With `decode`, only the payload is
    answered, for a client that can't read chunks.
    """

    __slots__ = (
        "_crlf",
        "_decode",
        "_held",
        "_in_trailer",
        "_left",
        "_trailers",
    )

    def __init__(
        self,
        *,
        decode: bool = False,
        trailers: Trailers = drop_trailers,
    ) -> None:
        self._left = 0  # payload bytes of the current chunk still to come
        self._crlf = 0  # bytes of the CRLF behind the payload still to come
        self._held = b""  # an unfinished chunk line or trailer section, kept back
        self._in_trailer = False
        self._decode = decode
        self._trailers = trailers
        self.done = False
        self.leftover = b""
        self.framing = b"" if decode else b"Transfer-Encoding: chunked\r\n"

    def feed(self, data: bytes) -> bytes:
        """The part of the body that is whole and valid so far."""
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        if not (self._left or self._crlf or self._in_trailer or self._decode):
            at = _whole_chunks(data)
            if at == len(data):
                return data
        return self._follow(data, at)

    def _follow(self, data: bytes, at: int) -> bytes:
        """The same from a place in `data` on; what comes before is canonical."""
        kept: list[bytes] = []
        mark = 0  # data[mark:at] is canonical and not yet kept
        size = len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                if self._decode:
                    kept.append(data[at : at + step])
                at += step
                self._left -= step
                self._crlf = 0 if self._left else 2
            elif self._crlf:
                at = self._payload_end(data, at)
            elif not self._in_trailer and (line := _PLAIN_LINE.match(data, at)):
                self._left = int(line[1], 16)
                at = line.end()
            else:
                if not self._decode:
                    kept.append(data[mark:at])
                at, canonical = self._line(data, at)
                kept.append(canonical)
                mark = at
                if self.done:
                    self.leftover = data[at:]
                    break
        if self._decode:
            return b"".join(kept)
        if not kept:
            return data
        kept.append(data[mark:at])
        return b"".join(kept)

    def stop_decoding(self, payload: bytes, trailers: Trailers) -> bytes:
        """Answer chunks as they come from now on, and trailer fields by other rules. What to pass
        on of `payload`, which was decoded already and ends where the body stands; b"" when nothing
        was decoded that a chunk could be made of: then it goes on decoding.
        """
        size = len(payload) + self._left
        if not size:
            return b""
        self._decode = False
        self._trailers = trailers
        behind = b"" if self._left else b"\r\n"[: 2 - self._crlf]
        return b"%x\r\n%b%b" % (size, payload, behind)

    def end(self) -> bytes | None:
        """Only the last chunk ends a chunked body."""
        return b"" if self.done else None

    def _payload_end(self, data: bytes, at: int) -> int:
        got = data[at : at + self._crlf]
        if got != b"\r\n"[2 - self._crlf :][: len(got)]:
            raise ProtocolViolation("bad_chunk", "chunk data is not followed by CRLF")
        self._crlf -= len(got)
        return at + len(got)

    def _line(self, data: bytes, at: int) -> tuple[int, bytes]:
        """An unusual chunk line, or the end: where it ends and how this program writes it."""
        if self._in_trailer:
            return self._trailer(data, at)
        end = data.find(b"\r\n", at)
        if end < 0:
            self._held = data[at:]
            # One more than the line may have: its CR can be here before its LF.
            if len(self._held) > MAX_CHUNK_LINE + 1 or _BROKEN_LINE.search(self._held):
                raise ProtocolViolation(
                    "bad_chunk", "a chunk line is too long or not ended by CRLF"
                )
            return len(data), b""
        match = _LINE.fullmatch(data, at, end)
        if match is None or end - at > MAX_CHUNK_LINE:
            raise ProtocolViolation("bad_chunk", "a chunk line is not a size in hexadecimal")
        self._left = int(match[1] or b"0", 16)
        if self._left:
            return end + 2, b"" if self._decode else b"%x\r\n" % self._left
        self._in_trailer = True
        return end + 2, b""

    def _trailer(self, data: bytes, at: int) -> tuple[int, bytes]:
        """The section behind the last chunk: nothing of the end is passed on before it is whole."""
        if data.startswith(b"\r\n", at):
            fields, end = b"", at + 2
        else:
            end = data.find(b"\r\n\r\n", at) + 4
            if (end if end > 3 else len(data)) - at > MAX_TRAILER:
                raise ProtocolViolation("bad_trailer", "the trailer section is too long")
            if end < 4:
                self._held = data[at:]
                if _has_bare_line_end(self._held):
                    raise ProtocolViolation("bad_trailer", "a trailer line is not ended by CRLF")
                return len(data), b""
            parsed = parse_fields(data[at : end - 2])
            if any(name.lower() in _FRAMING for name, _ in parsed):
                raise ProtocolViolation("bad_trailer", "a trailer field frames or routes")
            fields = self._trailers(parsed)
        self.done = True
        return end, b"" if self._decode else b"0\r\n%b\r\n" % fields


def _whole_chunks(data: bytes) -> int:
    """Where the canonical chunks end that data begins with: an event stream's pieces are nothing
    else.
    """
    at = 0
    while line := _PLAIN_LINE.match(data, at):
        end = line.end() + int(line[1], 16)
        if data[end : end + 2] != b"\r\n":
            break
        at = end + 2
    return at


def _has_bare_line_end(section: bytes) -> bool:
    """Whether a section that still grows has an LF without CR, or a CR without LF."""
    lines = section.count(b"\r\n")
    return section.count(b"\n") != lines or section.count(b"\r") != lines + section.endswith(b"\r")
