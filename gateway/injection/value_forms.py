"""The forms in which a secret's value may turn up elsewhere: as it is, and as programs encode it.
Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

#: A shorter value turns up by chance.
MIN_CHARACTERS: Final = 8
# A piece of base64 shorter than this, likewise.
_MIN_BASE64: Final = 8
# What the first bytes of something else do to the first characters of base64: they differ.
_SKIPPED: Final = (0, 2, 3)


def forms_of(value: str) -> dict[bytes, str]:
    """What to look for, and what each is called: "as it is", "base64", "URL", "hex" or "JSON".

    Base64 is there for each of the three places in a longer text where the value may begin.
    """
    data = value.encode()
    found: dict[bytes, str] = {data: "as it is"}
    for text in _json_texts(value):
        found.setdefault(text.encode(), "JSON")
    for text in _url_texts(value):
        found.setdefault(text.encode(), "URL")
    for text in (data.hex(), data.hex().upper()):
        found.setdefault(text.encode(), "hex")
    for piece in base64_pieces(data):
        if len(piece) >= _MIN_BASE64:
            found.setdefault(piece, "base64")
    return found


def _json_texts(value: str) -> list[str]:
    plain = [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    # Some writers escape the solidus and what could end a script (RFC 8259 section 7 allows it).
    slashed = [text.replace("/", "\\/") for text in plain]
    safe = plain[0].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return [*plain, *slashed, safe]


def _url_texts(value: str) -> list[str]:
    texts = [quote(value, safe=""), quote(value), quote_plus(value)]
    return [*texts, *(_small_hex(text) for text in texts)]


def _small_hex(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def base64_pieces(data: bytes) -> Iterator[bytes]:
    """Inside something longer a value begins at one of three places of a group of four digits: only
    the digits that it alone decides are the same each time. Both alphabets (RFC 4648).
    """
    for before, skipped in enumerate(_SKIPPED):
        whole = (before + len(data)) * 8 // 6  # the last character may depend on what follows
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + data)[skipped:whole]
