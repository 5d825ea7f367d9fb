"""`gateway.audit.query`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.query import Query

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVENT = {
    "time": AT.isoformat(),
    "user": {"uid": 1000, "name": "ada", "account": "ada@example.com"},
    "action": "secret.read",
    "name": "planner-token",
    "outcome": "ok",
}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (Query(), True),
        (Query(action="secret.*"), True),
        (Query(action="secret"), False),
        (Query(name="planner-?oken"), True),
        (Query(name="Planner-token"), False),
        (Query(outcome="ok", action="secret.read"), True),
        (Query(outcome="denied"), False),
        (Query(user="ada"), True),
        (Query(user="1000"), True),
        (Query(user="ada@example.com"), True),
        (Query(user="eve"), False),
        (Query(since=AT), True),
        (Query(since=AT + timedelta(seconds=1)), False),
        (Query(until=AT), False),
        (Query(until=AT + timedelta(seconds=1)), True),
    ],
)
def test_every_condition_must_hold(query: Query, *, wanted: bool) -> None:
    assert query.wants(EVENT) is wanted


def test_a_line_without_the_fields_fits_only_what_asks_for_nothing() -> None:
    assert Query().wants({})
    for query in (Query(action="*"), Query(user="x"), Query(since=AT), Query(outcome="ok")):
        assert not query.wants({"time": "yesterday", "user": 3})
