"""How long and how much; given to each scenario."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tests.soak.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Attributes:
    seconds: how long a scenario goes on.
    every_s: from one renewal to the next.
    streams: how many idle event streams are opened.
    quiet: whether progress is kept to ourselves.
    """

    seconds: float = 300.0
    every_s: float = 2.0
    streams: int = 5000
    quiet: bool = False

    @property
    def look_s(self) -> float:
        """From one sample to the next."""
        return min(1.0, self.seconds / 20)

    def tell(self, result: Result, at_s: float) -> None:
        """Show how far it is, every ten samples."""
        if self.quiet or len(result.samples) % 10:
            return
        now = result.samples[-1]
        print(
            f"{result.name}: {at_s:4.0f} of {self.seconds:.0f} s, "
            f"{sum(result.counts.values()):,} done, {len(result.problems)} failed, "
            f"{now.resident / (1 << 20):.1f} MiB, {now.descriptors} descriptors",
            file=sys.stderr,
            flush=True,
        )
