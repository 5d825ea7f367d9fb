"""Whatever an upstream closes and when, ours is never the longer limit of the two."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.idle_limit import IdleLimit
from tests.property.effort import effort

SECONDS = st.floats(0.01, 10_000)


@given(
    configured=SECONDS,
    closings=st.lists(st.tuples(SECONDS, st.floats(0, 1000)), max_size=20),
)
@effort(200)
def test_the_limit_only_shrinks_and_only_below_what_was_seen(
    configured: float, closings: list[tuple[float, float]]
) -> None:
    limit = IdleLimit()
    limit.configure(configured)
    now = 0.0
    for idle_s, later in closings:
        now += later
        before = limit.seconds
        assert limit.closed(idle_s, now) == (limit.seconds < before)
        assert limit.seconds <= before
        if limit.seconds < before:
            assert 0 < limit.seconds < idle_s


@given(
    configured=SECONDS,
    server_s=st.floats(0.1, 10_000),
    jitter=st.lists(st.floats(0, 0.01), min_size=2),
)
@effort(200)
def test_the_timer_of_a_server_is_found_out(
    configured: float, server_s: float, jitter: list[float]
) -> None:
    limit = IdleLimit()
    limit.configure(configured)
    now = 0.0
    for late in jitter:
        now += server_s + late
        limit.closed(server_s + late, now)
    assert limit.seconds <= min(configured, server_s)
