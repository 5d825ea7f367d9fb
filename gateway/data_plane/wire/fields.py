"""Header and trailer sections: one compiled pattern, one pass, nothing tolerated.

Source: RFC 9112 section 5, RFC 9110 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.data_plane.wire.violation import ProtocolViolation

MAX_FIELDS: Final = 128

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

# One whole line, anchored at its start. Possessive parts keep matching linear whatever the bytes
# are. The value may hold tab, visible ASCII and obs-text; never CR, LF, NUL or another control.
_LINE: Final = re.compile(
    rb"^(" + TOKEN + rb"+):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", re.MULTILINE
)

Field = tuple[bytes, bytes]


def parse_fields(section: bytes) -> list[Field]:
    """Split a field section ("name: value" lines, each ended by CRLF) into pairs.

    Names keep their spelling; values lose surrounding blanks (RFC 9112 section 5.1).

    Raises:
        ProtocolViolation: a line is not a field line, or there are more than `MAX_FIELDS`.
    """
    fields: list[Field] = _LINE.findall(section)
    # A match begins at a line's start and holds exactly one LF, its last byte. As many matches
    # as LFs, with an LF at the very end, means that the lines cover the section: none was skipped.
    if len(fields) != section.count(b"\n") or (section and section[-1] != 10):
        raise ProtocolViolation("bad_field", "a header line is not 'name: value' ended by CRLF")
    if len(fields) > MAX_FIELDS:
        raise ProtocolViolation("too_many_fields", f"more than {MAX_FIELDS} header fields")
    if b" \r\n" in section or b"\t\r\n" in section:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


class NameTable(dict[bytes, int]):
    """Classifies field names by `classify(lower-case name)`, remembering each spelling seen.

    The memory is bounded, so a client that invents names can't grow it.
    """

    _MOST = 2048

    def __init__(self, classify: Callable[[bytes], int]) -> None:
        super().__init__()
        self._classify = classify

    def __missing__(self, name: bytes) -> int:
        code = self._classify(name.lower())
        if len(self) < self._MOST and len(name) <= 64:
            self[name] = code
        return code


_LIST_ITEM: Final = re.compile(rb"[ \t]*+(" + TOKEN + rb"+)?+[ \t]*+(?:,|\Z)")


def parse_token_list(value: bytes) -> list[bytes]:
    """A comma-separated list of tokens, lower case; empty items are skipped (RFC 9110 5.6.1).

    Raises:
        ProtocolViolation: an item is not a token.
    """
    items: list[bytes] = []
    position = 0
    while position < len(value):
        match = _LIST_ITEM.match(value, position)
        if match is None:
            raise ProtocolViolation("bad_list", "a header that lists tokens holds something else")
        if match[1]:
            items.append(match[1].lower())
        position = match.end()
    return items
