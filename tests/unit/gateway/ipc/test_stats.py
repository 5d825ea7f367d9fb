"""Numbers come out of their wire form as they went in."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from gateway.ipc.frames import FrameError
from gateway.ipc.stats import RouteStats, WorkerStats


def test_there_and_back() -> None:
    stats = WorkerStats(
        pid=1,
        snapshot=2,
        routes={"planner": RouteStats(requests={"200": 3}, duration_sum_s=0.5, peer="dns:x")},
        access_lines_dropped=4,
    )
    assert WorkerStats.from_json(stats.to_json()) == stats


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"pid": "1"},
        {"pid": True},
        {"snapshot": 2**63},
        {"routes": []},
        {"routes": {"planner": {}}},
        {"routes": {"planner": {"requests": [1]}}},
        {"routes": {"planner": {"requests": {"200": 0.5}}}},
        {"routes": {"planner": {"duration_buckets": {"nan": 1}}}},
        {"routes": {"planner": {"duration_buckets": {"soon": 1}}}},
        {"routes": {"planner": {"duration_sum_s": float("nan")}}},
        {"routes": {"planner": {"last_error_at": 1e18}}},
        {"routes": {"planner": {"peer": None}}},
    ],
    ids=str,
)
def test_what_no_worker_says_is_an_error(changes: dict[str, Any]) -> None:
    raw = asdict(WorkerStats(pid=1, snapshot=2)) | changes
    if planner := dict(changes.get("routes", ())).get("planner"):
        raw["routes"] = {"planner": asdict(RouteStats()) | planner}
    with pytest.raises(FrameError):
        WorkerStats.from_json(json.dumps(raw).encode())


def test_a_text_that_utf8_can_not_hold_is_shown_as_an_escape() -> None:
    stats = WorkerStats(pid=1, snapshot=2, routes={"planner": RouteStats(last_error="a\udcff")})
    assert WorkerStats.from_json(stats.to_json()).routes["planner"].last_error == "a\\udcff"
