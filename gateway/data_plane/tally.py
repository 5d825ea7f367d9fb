"""Telling of what strangers can make happen as often as they like. Pure."""

from __future__ import annotations

from typing import Final

_MOST: Final = 64
#: Stands for all kinds beyond those that are counted apart.
OTHERS: Final = ("", "others, each for a reason of its own")

What = tuple[str, str]


class Tally:
    """The first of a kind is told at once; more of it each second, with how many they were."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[What, int] = {}

    def note(self, what: What) -> bool:
        """Whether to tell of it at once."""
        counts = self._counts
        if what in counts:
            counts[what] += 1
            return False
        if len(counts) >= _MOST:
            counts[OTHERS] = counts.get(OTHERS, 0) + 1
            return False
        counts[what] = 0
        return True

    def due(self) -> list[tuple[What, int]]:
        """Each second: what happened again since it was last told, and how often."""
        due = [(what, count) for what, count in self._counts.items() if count]
        self._counts = {what: 0 for what, _ in due}
        return due
