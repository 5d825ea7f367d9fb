"""Token buckets by key."""

from __future__ import annotations

from certs.issuer.rate_limit import RateLimit


def test_a_burst_passes_and_the_next_waits_for_its_time() -> None:
    limit = RateLimit(rate_per_s=2, burst=3)
    assert [limit.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.take("a", 0.0) == 0.5
    assert limit.take("a", 0.49) > 0
    assert limit.take("a", 0.5) == 0.0


def test_keys_dont_share() -> None:
    limit = RateLimit(rate_per_s=1, burst=1)
    assert limit.take("a", 0.0) == 0.0
    assert limit.take("b", 0.0) == 0.0
    assert limit.take("a", 0.0) > 0


def test_waiting_saves_up_no_more_than_a_burst() -> None:
    limit = RateLimit(rate_per_s=1, burst=2)
    assert [bool(limit.take("a", 1000.0)) for _ in range(3)] == [False, False, True]


def test_the_key_unused_for_longest_is_forgotten() -> None:
    limit = RateLimit(rate_per_s=0.001, burst=1, max_keys=2)
    limit.take("a", 0.0)
    limit.take("b", 0.0)
    limit.take("a", 0.0)
    limit.take("c", 0.0)
    assert limit.take("a", 0.0) > 0
    assert limit.take("b", 0.0) == 0.0
