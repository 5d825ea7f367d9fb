"""Whether other credentials may help where an upstream refused ours with 401. Pure."""

from __future__ import annotations

from math import inf
from typing import Final

#: How long a refused request waits for them.
WAIT_S: Final = 5.0
#: How often a worker asks for those of one route.
ASK_EVERY_S: Final = 10.0


class TokenRefusals:
    """When a route asks for other credentials, and for how long what was refused waits for them.

    One question is under way at a time. Until the next one may be asked, what is refused with the
    present credentials is refused for good: an upstream that always refuses costs nothing more.
    """

    __slots__ = ("_asked_at", "_ends")

    def __init__(self) -> None:
        self._asked_at = -inf
        self._ends = -inf

    def refused(self, now: float) -> bool:
        """Note that the present credentials were refused; whether to ask for others now."""
        if now - self._asked_at < ASK_EVERY_S:
            return False
        self._asked_at = now
        self._ends = now + WAIT_S
        return True

    def waits_until(self, now: float) -> float:
        """When the wait for the answer ends; 0 when none is awaited."""
        return self._ends if now < self._ends else 0.0

    def answered(self) -> None:
        """What was asked for is here, or can't be had."""
        self._ends = -inf
