"""This machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from certs.clock import SystemClock


async def test_both_clocks_go_on_together() -> None:
    clock = SystemClock()
    wall, boot, running = clock.now(), clock.boottime(), time.monotonic()
    await clock.sleep(0.05)
    assert clock.boottime() - boot >= 0.05
    assert clock.boottime() - boot >= time.monotonic() - running - 0.05
    assert clock.now().tzinfo is UTC
    assert clock.now() >= wall
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 60
