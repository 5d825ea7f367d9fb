"""How many examples a property is tried with: few in each run, more when asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


def effort(examples: int) -> settings:
    """`examples`, multiplied by the environment variable TEST_EFFORT (a whole number).

    A busy machine is slow, which is no property of the code under test.
    """
    return settings(
        max_examples=examples * int(os.environ.get("TEST_EFFORT", "1")),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
