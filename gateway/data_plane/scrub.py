"""Keeps secrets out of what a client is told of a response. Pure.

An upstream knows what was attached to its requests, and may show it by mistake: in a header that
echoes the request, or percent-encoded in a URL. Each function takes the secrets longest first, so
that one which contains another is replaced whole.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

REDACTED: Final = b"[redacted]"
#: How often a URL may have been encoded within another one.
_MOST_LAYERS: Final = 3


def scrubbed(value: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The value with a mark in place of each secret; all of it gives way to one that is encoded."""
    for secret in secrets:
        value = value.replace(secret, REDACTED)
    if b"%" in value and _shows_decoded(value, secrets):
        value = REDACTED
    # A secret can be a part of the mark, or stand anew where the mark meets its surroundings.
    return b"" if _shows(value, secrets) else value


def scrubbed_line(line: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """A whole header line; b"" when a secret is in its name, or begins there."""
    name, _, value = line.removesuffix(b"\r\n").partition(b": ")
    line = b"%b: %b" % (name, scrubbed(value, secrets))
    return b"" if _shows(line, secrets) else line + b"\r\n"


def _shows(text: bytes, secrets: tuple[bytes, ...]) -> bool:
    return any(secret in text for secret in secrets)


def _shows_decoded(value: bytes, secrets: tuple[bytes, ...]) -> bool:
    for _ in range(_MOST_LAYERS):
        decoded = unquote_to_bytes(value)
        if decoded == value:
            return False
        if _shows(decoded, secrets):
            return True
        value = decoded
    return False
