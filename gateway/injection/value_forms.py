"""The forms in which a secret's value may turn up elsewhere: as it is, and as programs encode it.
Pure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

#: A shorter value turns up by chance.
MIN_CHARACTERS: Final = 8
# A piece of base64 shorter than this, likewise.
_MIN_BASE64: Final = 8
# What the first bytes of something else do to the first characters of base64: they differ.
_SKIPPED: Final = (0, 2, 3)
# What `base64` and MIME (RFC 2045 section 6.8), and what `openssl` and PEM put into a line; `xxd`.
_BASE64_LINES: Final = (76, 64)
_HEX_LINE: Final = 60
# What is left as it is: nothing, `/` in paths, what encodeURIComponent and encodeURI leave.
_SAFE: Final = ("", "/", "!'()*", ";,/?:@&=+$-_.!~*'()#", "/:@-._~!$&'()*+,;=")
# The four digits behind a `\u`, which itself must stay small.
_ESCAPED: Final = re.compile(r"(?<=\\u)[0-9a-f]{4}")


def forms_of(value: str) -> dict[bytes, str]:
    """What to look for, and what each is called: "as it is", "base64", "URL", "hex" or "JSON".

    Base64 is there for each of the three places in a longer text where the value may begin.
    """
    data = value.encode("utf-8", "surrogateescape")
    found: dict[bytes, str] = {data: "as it is"}
    for text in _json_texts(value):
        found.setdefault(text.encode("utf-8", "surrogatepass"), "JSON")
    for text in _url_texts(data):
        found.setdefault(text.encode(), "URL")
    for digits in _hex_digits(data):
        found.setdefault(digits, "hex")
    for piece in _base64_digits(data):
        if len(piece) >= _MIN_BASE64:
            found.setdefault(piece, "base64")
    return found


def _json_texts(value: str) -> list[str]:
    plain = [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    # Some writers escape the solidus and what could end a script (RFC 8259 section 7 allows it).
    slashed = [text.replace("/", "\\/") for text in plain]
    safe = plain[0].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    texts = [*plain, *slashed, safe]
    return [*texts, *(_ESCAPED.sub(lambda found: found[0].upper(), text) for text in texts)]


def _url_texts(data: bytes) -> list[str]:
    texts = [quote(data, safe=safe) for safe in _SAFE]
    texts += [text.replace("%20", "+") for text in texts]
    return [*texts, *(_small_hex(text) for text in texts)]


def _small_hex(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def _hex_digits(data: bytes) -> Iterator[bytes]:
    for digits in (data.hex().encode(), data.hex().upper().encode()):
        yield digits
        yield from _in_lines(digits, _HEX_LINE)


def _base64_digits(data: bytes) -> Iterator[bytes]:
    yield from base64_pieces(data)
    whole, *_ = base64_pieces(data)
    for width in _BASE64_LINES:
        yield from _in_lines(whole, width)


def _in_lines(text: bytes, width: int) -> Iterator[bytes]:
    """As programs break it that write lines of one width; with both endings."""
    if len(text) > width:
        lines = [text[start : start + width] for start in range(0, len(text), width)]
        yield b"\n".join(lines)
        yield b"\r\n".join(lines)


def base64_pieces(data: bytes) -> Iterator[bytes]:
    """Inside something longer a value begins at one of three places of a group of four digits: only
    the digits that it alone decides are the same each time. Both alphabets (RFC 4648).
    """
    for before, skipped in enumerate(_SKIPPED):
        whole = (before + len(data)) * 8 // 6  # the last character may depend on what follows
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + data)[skipped:whole]
