"""Whether something grows: what is sampled while a scenario runs, and what is made of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The first part of a run, in which pools, memories and allocators fill up.
_WARM_UP = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A process at one moment: resident bytes, open descriptors, threads."""

    resident: int
    descriptors: int
    threads: int


def sample(pid: int) -> Sample:
    """A process now."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    status = (folder / "status").read_text()
    threads = next(line for line in status.splitlines() if line.startswith("Threads:"))
    return Sample(
        resident=pages * 4096,
        descriptors=len(list((folder / "fd").iterdir())),
        threads=int(threads.split()[1]),
    )


def growth(values: Sequence[int]) -> float:
    """How much more there is at the end than there was after the warm-up, by medians: what rises
    and falls with the load is no growth.
    """
    steady = values[int(len(values) * _WARM_UP) :]
    part = max(1, len(steady) // 4)
    return statistics.median(steady[-part:]) - statistics.median(steady[:part]) if steady else 0.0
