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
        raise _too_many()
    if b" \r\n" in section or b"\t\r\n" in section:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


_MOST_NAMES: Final = 2048
_LONGEST_NAME: Final = 64


class NameTable(dict[bytes, int]):
    """Classifies field names by `classify(lower-case name)`, remembering each spelling seen.

    The memory is bounded, so a client that invents names can't grow it.
    """

    def __init__(self, classify: Callable[[bytes], int]) -> None:
        super().__init__()
        self._classify = classify

    def __missing__(self, name: bytes) -> int:
        code = self._classify(name.lower())
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = code
        return code


#: What a field line comes to: the code of its name, its value, and the line as it is passed on.
Line = tuple[int, bytes, bytes]

_ONE_LINE: Final = re.compile(rb"(" + TOKEN + rb"+):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)")
_MOST_LINES: Final = 1024
_MOST_VALUES: Final = 8
_LONGEST_LINE: Final = 256


class FieldLines(dict[bytes, Line]):
    """What each field line comes to, by its bytes: most lines of a client's heads are the same in
    every request, and looking one up is several times cheaper than reading it again.

    `keep` says which codes are remembered, none of a credential. A name whose values keep changing
    soon isn't remembered any more, and the whole is bounded.
    """

    def __init__(self, names: NameTable, keep: frozenset[int]) -> None:
        super().__init__()
        self.names = names
        self._keep = keep
        self._values: dict[bytes, int] = {}

    def __missing__(self, text: bytes) -> Line:
        match = _ONE_LINE.fullmatch(text)
        if match is None:
            raise ProtocolViolation("bad_field", "a header line is not 'name: value' ended by CRLF")
        name, value = match.groups()
        value = value.rstrip(b" \t")
        code = self.names[name]
        # Most lines are written as this program would write them.
        plain = len(name) + len(value) + 2 == len(text) and text[len(name) + 1] == 0x20
        line = (code, value, text + b"\r\n" if plain else b"%b: %b\r\n" % (name, value))
        if code in self._keep and len(text) <= _LONGEST_LINE and len(self) < _MOST_LINES:
            values = self._values.get(name, 0)
            if values < _MOST_VALUES:
                self._values[name] = values + 1
                self[text] = line
        return line


def field_lines(lines: list[bytes]) -> list[bytes]:
    """The field lines of a head that was split at each CRLF: the first line goes before them, and
    two empty ones are what its end leaves.

    Raises:
        ProtocolViolation: there are more than `MAX_FIELDS`.
    """
    if len(lines) > MAX_FIELDS + 3:
        raise _too_many()
    return lines[1:-2]


def _too_many() -> ProtocolViolation:
    return ProtocolViolation("too_many_fields", f"more than {MAX_FIELDS} header fields", status=431)


def folded(name: bytes) -> bytes:
    """A name as the most forgiving reader may take it: letters and digits only, lower case."""
    return _PUNCTUATION.sub(b"", name.lower())


_PUNCTUATION: Final = re.compile(rb"[^a-z0-9]+")


def check_line_ends(beginning: bytes) -> None:
    """Refuse the beginning of a head with an LF that no CR precedes: no more bytes can mend it."""
    if beginning.count(b"\n") != beginning.count(b"\r\n"):
        raise ProtocolViolation("bad_field", "a line of the head is not ended by CRLF")


def name_of(line: bytes) -> bytes:
    """The lower-case name of a line that `FieldLines` gave."""
    return line[: line.index(b":")].lower()


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
