"""Hiding values in a stream of output. Pure.

It is a courtesy, and no wall: a program that wants to tell a value finds an encoding that isn't
looked for.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.injection.value_forms import base64_pieces, forms_of

MASK: Final = b"[hidden]"
#: Shorter values would hide half of all output.
_LEAST: Final = 6
#: By so many bytes a beginning is looked for.
_FEW: Final = 4
#: So much of a long text is compared at first.
_HEAD: Final = 64
_NEVER: Final = re.compile(rb"(?!)")


class Masker:
    """Replaces values, as they are and in their usual encodings, also where they come in pieces.

    `feed` gives what can be shown at once and holds back only what may be the beginning of a value.
    `release` shows that too, for a prompt that happens to end like one: if the rest of the value
    comes after all, the rest is hidden.
    """

    def __init__(self, values: Iterable[str]) -> None:
        patterns = sorted(
            {form for value in values for form in _forms(value) if len(form) >= _LEAST},
            key=lambda form: (-len(form), form),
        )
        self._pattern = _any_of(patterns)
        beginnings = b"|".join({re.escape(pattern[:_FEW]) for pattern in patterns})
        self._begins = re.compile(b"(?=%b)" % beginnings) if beginnings else _NEVER
        self._ordered = sorted(patterns)
        self._longest = len(patterns[0]) if patterns else 0
        self._text = b""
        self._shown = 0
        self.hidden = 0

    def feed(self, data: bytes) -> bytes:
        """Take output; what of it may be shown now."""
        text = self._text + data
        shown = self._shown
        held = self._beginning(text, 0)
        out = bytearray()
        for match in self._pattern.finditer(text):
            if held <= match.start():
                break  # it may turn out to be a part of a longer value
            out += text[shown : max(match.start(), shown)] + MASK
            shown = match.end()
            self.hidden += 1
            if held < shown:
                held = self._beginning(text, shown)  # what comes behind a value may begin another
        out += text[shown : max(held, shown)]
        self._text = text[held:]
        self._shown = max(shown - held, 0)
        return bytes(out)

    def release(self) -> bytes:
        """What was held back: nothing came for a while, or will come any more."""
        held = self._text[self._shown :]
        out, values = self._pattern.subn(MASK, held)
        self.hidden += values
        self._shown = len(self._text)
        return out

    @property
    def holds(self) -> bool:
        """Whether something is held back that was not shown."""
        return self._shown < len(self._text)

    def _beginning(self, text: bytes, after: int) -> int:
        """Where the longest end of the text begins that is the beginning of a value."""
        least: int = max(after, len(text) - self._longest + 1)
        few = max(least, len(text) - _FEW + 1)
        places = [match.start() for match in self._begins.finditer(text, least)]
        places += range(few, len(text))
        return next((place for place in places if self._may_begin(text, place)), len(text))

    def _may_begin(self, text: bytes, place: int) -> bool:
        """Whether the text from `place` on is the beginning of a value, and not all of one. In the
        order of their bytes those that begin with a text stand right behind it.
        """
        head = text[place : place + _HEAD]
        if not self._is_begun(bisect_left(self._ordered, head), head):
            return False
        end = text[place:]
        return self._is_begun(bisect_right(self._ordered, end), end)

    def _is_begun(self, index: int, beginning: bytes) -> bool:
        return index < len(self._ordered) and self._ordered[index].startswith(beginning)


def _any_of(texts: Iterable[bytes]) -> re.Pattern[bytes]:
    """Finds any of the texts, the first that is given where several begin."""
    escaped = b"|".join(map(re.escape, texts))
    return re.compile(escaped) if escaped else _NEVER


def _forms(value: str) -> Iterator[bytes]:
    """A value as programs print it."""
    yield from forms_of(value)
    raw = value.encode("utf-8", "surrogateescape")
    yield raw.replace(b"\n", b"\r\n")  # as a terminal shows it
    yield raw.replace(b"\n", b"\\n")
    yield from (line.strip() for line in raw.splitlines())  # also where they are indented anew
    yield from base64_pieces(raw)  # shorter ones than what is looked for in files
