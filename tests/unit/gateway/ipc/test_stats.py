"""Numbers come out of their wire form as they went in."""

from __future__ import annotations

import pytest

from gateway.ipc.stats import RouteStats, WorkerStats


def test_there_and_back() -> None:
    stats = WorkerStats(
        pid=1,
        snapshot=2,
        routes={"planner": RouteStats(requests={"200": 3}, duration_sum_s=0.5, peer="dns:x")},
        access_lines_dropped=4,
    )
    assert WorkerStats.from_json(stats.to_json()) == stats


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(TypeError):
        WorkerStats.from_json(b'{"pid":1,"snapshot":2,"routes":{},"surprise":1}')
