"""Whether another certificate may help where an upstream refused ours."""

from __future__ import annotations

from typing import Final

#: How long a request waits for a renewal that may help it.
RENEWAL_WAIT_S: Final = 8.0


class Refusals:
    """Waiting makes sense for a while after the first refusal, unless the certificate is too young
    to be renewed meanwhile. When the next generation is refused too, the certificate isn't what is
    wrong, and every request is told at once.
    """

    __slots__ = ("_ends", "_first", "_last")

    def __init__(self) -> None:
        self._first = self._last = -1
        self._ends = 0.0

    def accepted(self, generation: int) -> None:
        """A certificate did its work. One address may accept what another one refuses: only a
        generation that was never refused makes a fresh start.
        """
        if generation > self._last:
            self._first = -1

    def refused(self, generation: int, now: float, renewable_in_s: float = 0.0) -> float:
        """Note that a generation was refused; until when to wait for the next one, or 0."""
        self._last = max(self._last, generation)
        if self._first < 0:
            self._first = generation
            self._ends = now + RENEWAL_WAIT_S
        is_near = now + max(0.0, renewable_in_s) < self._ends
        return self._ends if generation == self._first and is_near else 0.0
