from __future__ import annotations

import dataclasses
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import Config, HeaderTemplate
from gateway.control_plane.request_history import RequestHistory
from gateway.data_plane.failure import explanation
from gateway.ipc import events
from gateway.ipc.events import Event
from tests.fakes import configs
from tests.fakes.feeds import generation

END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LINE: dict[str, Any] = {
    "ts": "2026-03-01T12:00:00.000Z",
    "id": "ab-1",
    "route": "planner",
    "total_ms": 3000.0,
    "generation": 2,
    "upstream": "192.0.2.1:443",
    "status": 200,
    "reason": "",
}
FAILURE = LINE | {"status": 502, "reason": "peer_rejected", "stage": "peer", "detail": "other"}


@pytest.fixture
def history() -> RequestHistory:
    return RequestHistory(explanation)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configs.config(tmp_path)


def told(history: RequestHistory, config: Config, **line: Any) -> dict[str, Any]:
    history.take(json.dumps(LINE | line, separators=(",", ":")).encode() + b"\n")
    (document,) = history.explained("ab-1", config)
    return document


def alert(route: str = "planner", generation: int = 1) -> Event:
    fields: dict[str, str | int | float | None] = {"route": route, "generation": generation}
    return Event(name=events.LATE_ALERT, fields=fields | {"alert": "unknown ca", "cause": "x"})


def test_a_failure_is_told_with_what_its_reason_means(
    history: RequestHistory, config: Config
) -> None:
    request = told(history, config, **FAILURE)["request"]
    meaning = explanation("peer_rejected")
    assert (request["title"], request["remedy"]) == (meaning.title, meaning.remedy)
    assert history.latest(1, failed=True) == [request]


def test_success_needs_no_meaning(history: RequestHistory, config: Config) -> None:
    assert told(history, config)["request"] == LINE
    assert history.latest(5, failed=False) == [LINE]
    assert history.latest(5, failed=True) == []


def test_the_certificate_of_that_time_is_told(history: RequestHistory, config: Config) -> None:
    for number in (1, 2):
        made = dataclasses.replace(generation(), number=number, serial=f"serial{number}")
        history.note_generation("default", made)
    certificate = told(history, config)["certificate"]
    assert (certificate["serial"], certificate["in_use"]) == ("serial2", True)
    history.note_generation("default", dataclasses.replace(generation(), number=3))
    certificate = told(history, config)["certificate"]
    assert (certificate["serial"], certificate["in_use"]) == ("serial2", False)
    assert told(history, config, generation=9)["certificate"] is None


def test_no_key_is_kept_for_the_sake_of_history(history: RequestHistory) -> None:
    made = generation()
    holders = sys.getrefcount(made), sys.getrefcount(made.key_pem)
    history.note_generation("default", made)
    assert (sys.getrefcount(made), sys.getrefcount(made.key_pem)) == holders


def test_headers_are_told_by_the_names_of_their_secrets(
    history: RequestHistory, config: Config
) -> None:
    headers = (HeaderTemplate("Authorization", ("Bearer ", "planner-token", "")),)
    (route,) = config.routes
    with_headers = dataclasses.replace(
        config, routes=(dataclasses.replace(route, headers=headers),)
    )
    document = told(history, with_headers)
    assert document["headers"] == [{"name": "Authorization", "secrets": ["planner-token"]}]
    assert document["upstream"] == route.upstream_url


@pytest.mark.parametrize(
    "line",
    [
        {"upstream": "", "reason": "caller_denied", "stage": "caller"},
        {"reason": "tls_failed", "stage": "tls"},
        {"reason": "peer_rejected", "stage": "peer"},
    ],
)
def test_nothing_was_attached_to_a_request_that_was_not_sent(
    history: RequestHistory, config: Config, line: dict[str, str]
) -> None:
    headers = (HeaderTemplate("Authorization", ("Bearer ", "planner-token", "")),)
    (route,) = config.routes
    with_headers = dataclasses.replace(
        config, routes=(dataclasses.replace(route, headers=headers),)
    )
    assert told(history, with_headers, **line)["headers"] == []


def test_a_route_that_is_gone_is_no_obstacle(history: RequestHistory, config: Config) -> None:
    document = told(history, config, route="gone")
    assert (document["upstream"], document["headers"]) == (None, [])


@pytest.mark.parametrize(
    ("seconds", "route", "belongs"),
    [
        (-1, "planner", True),
        (-4.5, "planner", True),
        (1.5, "planner", True),
        (-6, "planner", False),
        (-6, "same certificate", True),
        (3, "planner", False),
        (-1, "other", False),
    ],
)
def test_alerts_of_that_time_and_route_are_told(
    history: RequestHistory, config: Config, seconds: float, route: str, *, belongs: bool
) -> None:
    told_of = alert(generation=2) if route == "same certificate" else alert(route)
    history.note_alert(told_of, END + timedelta(seconds=seconds))
    alerts = told(history, config)["alerts"]
    assert [item["alert"] for item in alerts] == (["unknown ca"] if belongs else [])


@pytest.mark.parametrize(
    "odd", [{"ts": None}, {"ts": "x"}, {"total_ms": "x"}, {"total_ms": 1e300}, {"total_ms": None}]
)
def test_an_odd_line_is_told_as_it_is(
    history: RequestHistory, config: Config, odd: dict[str, Any]
) -> None:
    history.note_alert(alert(), END)
    assert told(history, config, **odd)["alerts"] == []
