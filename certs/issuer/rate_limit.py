"""A token bucket for each key, so that one caller can't take all of the issuer's time. Pure."""

from __future__ import annotations

from collections import OrderedDict


class RateLimit:
    """Allows `burst` at once and `rate_per_s` from then on, for each key.

    Remembers at most `max_keys` keys; the one unused for longest is forgotten, which favours it.
    """

    def __init__(self, *, rate_per_s: float, burst: int, max_keys: int = 10_000) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now_s: float) -> float:
        """Take one; returns 0 when it was there, else the seconds until there is one.

        `now_s` is monotonic.
        """
        level, then_s = self._buckets.get(key, (float(self._burst), now_s))
        level = min(self._burst, level + (now_s - then_s) * self._rate_per_s)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._rate_per_s
        self._buckets[key] = (level if wait_s else level - 1, now_s)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait_s
