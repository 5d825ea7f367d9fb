"""Whether another certificate may help where an upstream refused ours."""

from __future__ import annotations

from typing import Final

#: How long a request waits for a renewal that may help it.
RENEWAL_WAIT_S: Final = 8.0


class Refusals:
    """Waiting makes sense for a while after the first refusal. When the next generation is refused
    too, the certificate isn't what is wrong, and every request is told at once.
    """

    __slots__ = ("_ends", "_first")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A certificate was accepted."""
        self._first = -1
        self._ends = 0.0

    def may_wait(self, generation: int, now: float) -> bool:
        """Note that a generation was refused; whether to wait for the next one."""
        if self._first < 0:
            self._first = generation
            self._ends = now + RENEWAL_WAIT_S
        return generation == self._first and now < self._ends
