"""What a scenario came to, and the table of all."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.soak.watch import Sample, growth

_MIB = 1 << 20


@dataclass(slots=True, kw_only=True)
class Result:
    """One scenario's outcome.

    Attributes:
        counts: what was done, by what it is called.
        problems: why the scenario failed; none when it passed.
        samples: of the process under test, in order.
        descriptors: before the load and after it.
    """

    name: str
    seconds: float = 0.0
    renewals: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    descriptors: tuple[int, int] = (0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, what: str, by: int = 1) -> None:
        """Something was done, in whatever thread."""
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + by

    @property
    def growth(self) -> float:
        """Bytes of resident memory, after the warm-up."""
        return growth([item.resident for item in self.samples])

    def judge(self, *, most_growth: int) -> None:
        """Note what is left behind after the load as a problem."""
        if self.growth > most_growth:
            self.problems.append(f"memory grew by {self.growth / _MIB:.1f} MiB")
        before, after = self.descriptors
        if after > before:
            self.problems.append(f"{after - before} descriptors were left open")


def table(results: Sequence[Result]) -> str:
    """An aligned Markdown table, a row a scenario."""
    heads = ["scenario", "time", "renewals", "carried", "memory", "grown", "descriptors", "failed"]
    lines = [heads, *(_row(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _row(result: Result) -> list[str]:
    resident = max((item.resident for item in result.samples), default=0)
    return [
        result.name,
        f"{result.seconds:.0f} s",
        str(result.renewals),
        _carried(result.counts),
        f"{resident / _MIB:.1f} MiB",
        f"{result.growth / _MIB:+.1f} MiB",
        "{} → {}".format(*result.descriptors),
        str(len(result.problems)),
    ]


def _carried(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())
