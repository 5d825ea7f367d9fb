"""Edits of byte strings, the same for hypothesis and for the stand-alone loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Bytes and words on which parsers of HTTP disagree.
TOKENS: Final = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b"\t", b" ", b":", b";", b",", b'"', b"\\",
    b"\x7f", b"\x80", b"\xff", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"0", b"00", b"0\r\n\r\n",
    b"1", b"-1", b"+1", b"0x1", b"1_0", b"F" * 16, b"18446744073709551617", b"5\r\nhello\r\n",
    b"chunked", b"Chunked", b"identity", b"gzip", b"close", b"keep-alive", b"upgrade",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content_Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b"Host: h\r\n",
    b"Connection: close\r\n", b"Connection: authorization\r\n", b"Expect: 100-continue\r\n",
    b"Authorization: mine\r\n", b"X-Echo: s3cr3t-value\r\n", b" folded\r\n", b"X: 1\r\n",
    b"HTTP/1.1", b"HTTP/1.0", b"http/1.1", b"HTTP/2.0", b"GET / HTTP/1.1\r\n", b"CONNECT",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"204", b"304", b"#", b"*",
    b"http://h/", b"//", b"%00", b"..", b"@",
)  # fmt: skip
# An edit of any other kind replaces the slice.
INSERT, DELETE, REPEAT = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit: `at` and `length` choose a slice, `token` an entry of `TOKENS`."""

    kind: int
    at: int
    length: int
    token: int

    def apply(self, data: bytes) -> bytes:
        """The edited bytes."""
        at = self.at % (len(data) + 1)
        end = at + self.length
        token = TOKENS[self.token % len(TOKENS)]
        if self.kind == INSERT:
            return data[:at] + token + data[at:]
        if self.kind == DELETE:
            return data[:at] + data[end:]
        if self.kind == REPEAT:
            return data[:end] + data[at:]
        return data[:at] + token + data[end:]
