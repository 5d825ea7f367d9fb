from __future__ import annotations

from gateway.control_plane.totals import Totals
from gateway.ipc.stats import RouteStats, WorkerStats


def stats(**values: object) -> WorkerStats:
    route = RouteStats(**values)  # type: ignore[arg-type]
    return WorkerStats(pid=1, snapshot=1, routes={"planner": route}, access_lines_dropped=2)


def test_counters_outlive_a_worker_and_gauges_do_not() -> None:
    totals = Totals()
    dead = stats(
        requests={"200": 3},
        bytes_up=10,
        active=4,
        connections={"1": 2},
        duration_buckets={"1": 3},
        ejections={"unreachable": 2},
        ejected={"192.0.2.1:443": 1},
    )
    totals.retire(dead)
    living = stats(
        requests={"200": 1, "502": 1},
        bytes_up=5,
        active=1,
        connections={"2": 1},
        ejected={"192.0.2.1:443": 1},
    )
    merged = totals.merged([living, stats(ejected={"192.0.2.1:443": 1})])["planner"]
    assert merged.requests == {"200": 4, "502": 1}
    assert merged.bytes_up == 15
    assert merged.duration_buckets == {"1": 3}
    assert merged.active == 1
    assert merged.connections == {"2": 1}
    assert (merged.ejections, merged.ejected) == ({"unreachable": 2}, {"192.0.2.1:443": 2})
    assert totals.access_lines_dropped([living]) == 4


def test_the_last_error_and_handshake_win() -> None:
    totals = Totals()
    totals.retire(stats(last_error="old", last_error_at=1.0, tls_version="TLSv1.3", peer="a"))
    newer = stats(last_error="new", last_error_at=2.0)
    merged = totals.merged([newer, stats()])["planner"]
    assert (merged.last_error, merged.last_error_at) == ("new", 2.0)
    assert (merged.tls_version, merged.peer) == ("TLSv1.3", "a")


def test_merging_changes_nothing_that_was_kept() -> None:
    totals = Totals()
    totals.retire(stats(requests={"200": 1}))
    living = stats(requests={"200": 1})
    for _ in range(3):
        assert totals.merged([living])["planner"].requests == {"200": 2}
    assert living.routes["planner"].requests == {"200": 1}
