"""How many examples a property is tried with: few in each run, more when asked for."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """`usual`, multiplied by the environment variable TEST_EFFORT (a whole number)."""
    return usual * int(os.environ.get("TEST_EFFORT", "1"))
