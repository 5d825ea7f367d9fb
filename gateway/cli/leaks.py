"""Looks for secrets' values, in any form, in streams of bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.injection.value_forms import MIN_CHARACTERS, forms_of
from identity.secret_stores.base import Secret


class Leak(NamedTuple):
    """Where a value was found: never the value."""

    line: int
    name: str
    form: str


class Detector:
    """Knows the values of some secrets, and finds them."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._wanted = [
            (needle, name, form)
            for name, value in secrets.items()
            if len(value.reveal()) >= MIN_CHARACTERS
            for needle, form in forms_of(value.reveal()).items()
        ]
        self._overlap = max((len(needle) for needle, _, _ in self._wanted), default=1) - 1
        #: Names whose values are so short that they would turn up by chance.
        self.skipped = tuple(
            name for name, value in secrets.items() if len(value.reveal()) < MIN_CHARACTERS
        )

    def leaks_in(self, chunks: Iterable[bytes]) -> list[Leak]:
        """Every value in what `chunks` hold together, one line, name and form at a time."""
        found = dict.fromkeys(self._in_chunks(chunks))
        return sorted(found)

    def _in_chunks(self, chunks: Iterable[bytes]) -> Iterator[Leak]:
        line, kept = 1, b""
        for chunk in chunks:
            data = kept + chunk
            for needle, name, form in self._wanted:
                position = data.find(needle)
                while position >= 0:
                    yield Leak(line + data.count(b"\n", 0, position), name, form)
                    position = data.find(needle, position + 1)
            # A value may begin here and end in the next chunk.
            cut = max(0, len(data) - self._overlap)
            line += data.count(b"\n", 0, cut)
            kept = data[cut:]
