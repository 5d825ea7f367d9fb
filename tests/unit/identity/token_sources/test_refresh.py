from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from identity.secret_stores.base import Secret
from identity.token_sources.base import Token
from identity.token_sources.refresh import is_due, pause_s, retry_s

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def token(life_s: float | None, again_s: float | None = None) -> Token:
    end = None if life_s is None else NOW + timedelta(seconds=life_s)
    return Token(value=Secret("t"), expires_at=end, ask_again_s=again_s)


@pytest.mark.parametrize(
    ("life_s", "again_s", "chance", "pause"),
    [
        (3600, None, 0.0, 3240),  # a tenth of its life ahead
        (3600, None, 1.0, 3168),  # and up to a fifth of that more
        (300, None, 0.0, 240),  # never less than a minute ahead
        (60, None, 0.0, 30),  # but not before half of its life
        (3600, 2, 0.0, 2),  # a file is looked at often
        (10, 30, 0.0, 5),
        (None, None, 0.5, 300),
        (0.5, None, 0.0, 1),  # never in a tight loop
    ],
)
def test_the_next_question(
    life_s: float | None, again_s: float | None, chance: float, pause: float
) -> None:
    assert pause_s(token(life_s, again_s), NOW, chance) == pytest.approx(pause)


@pytest.mark.parametrize("life_s", [2.0, 60.0, 119.0, 300.0, 3600.0, 86_400.0])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_kept_token_is_due_when_it_is_asked_for(life_s: float, chance: float) -> None:
    """Or a keeper would ask, get the same token again, and ask again at once."""
    kept = token(life_s)
    assert kept.expires_at is not None
    asked_at = NOW + timedelta(seconds=pause_s(kept, NOW, chance))
    assert is_due(issued_at=NOW, expires_at=kept.expires_at, now=asked_at)
    assert not is_due(issued_at=NOW, expires_at=kept.expires_at, now=NOW)


def test_failures_are_repeated_ever_later_and_refusals_rarely() -> None:
    waits = [retry_s(n, 1.0, denied=False, told_s=None) for n in (1, 2, 3, 7, 5000)]
    assert waits == [1, 2, 4, 60, 60]
    assert retry_s(5, 0.0, denied=False, told_s=None) == 8
    assert [retry_s(n, 1.0, denied=True, told_s=None) for n in (1, 2, 9)] == [30, 60, 300]


def test_what_the_server_tells_is_waited_for_within_reason() -> None:
    assert retry_s(1, 0.5, denied=False, told_s=17) == 17
    assert retry_s(1, 0.5, denied=True, told_s=0) == 1
    assert retry_s(1, 0.5, denied=False, told_s=10**9) == 3600
