"""How long an idle connection is kept: not as long as the upstream keeps it. Pure.

A request that is put on a connection while the upstream closes it is lost, and most can't be sent
again (RFC 9112 section 9.3.1). Upstreams don't say how long they keep one, but they show it.
"""

from __future__ import annotations

from math import inf
from typing import Final

#: Two times of one timer differ by no more than this part, or this many seconds.
_PRECISION: Final = 0.02
_PRECISION_S: Final = 0.1
#: How much sooner than the upstream we close, at the most.
_MARGIN_S: Final = 1.0


class IdleLimit:
    """Learns an upstream's limit from two connections that it closed after the same idle time, but
    not at the same moment, as a server does that ends.

    Attributes:
        seconds: the limit in force.
    """

    __slots__ = ("_closed_at", "_configured", "_idle_s", "_learned", "seconds")

    def __init__(self) -> None:
        self._configured = self._learned = self.seconds = inf
        self._idle_s = self._closed_at = -inf

    def configure(self, seconds: float) -> None:
        """The limit, unless a shorter one was learned."""
        self._configured = seconds
        self.seconds = min(seconds, self._learned)

    def closed(self, idle_s: float, now: float) -> bool:
        """The upstream closed a connection that had been idle for so long; whether this says what
        its limit is, and ours is shorter now.
        """
        same = abs(idle_s - self._idle_s) <= max(_PRECISION_S, idle_s * _PRECISION)
        apart = now - self._closed_at >= idle_s / 2
        self._idle_s, self._closed_at = idle_s, now
        limit = idle_s - min(_MARGIN_S, idle_s / 4)
        if not (same and apart) or limit >= self.seconds:
            return False
        self._learned = limit
        self.seconds = min(self._configured, limit)
        return True
