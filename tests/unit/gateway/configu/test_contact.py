from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.configu.contact import Contact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answered", "age", "old"),
    [
        (NOW, 0, ""),
        (NOW - timedelta(minutes=59), 3540, ""),
        (NOW - timedelta(minutes=61), 3660, "3660 s"),
        (NOW + timedelta(minutes=4), 0, ""),
        (NOW + timedelta(minutes=6), None, "nobody knows"),
        (None, None, "nobody knows"),
    ],
)
def test_how_old_an_answer_may_be(answered: datetime | None, age: float | None, old: str) -> None:
    contact = Contact(answered_at=answered)
    assert contact.age_s(NOW) == age
    said = contact.too_old(NOW, 3600)
    assert old in said
    assert bool(old) == bool(said)
