"""Whatever a worker says costs that worker and never the supervisor: it is refused with the one
documented error, or all that the supervisor does with it works.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.audit.journal import Journal
from gateway.control_plane import status
from gateway.control_plane.parts import Parts
from gateway.control_plane.probes import numbers
from gateway.control_plane.supervisor import Supervisor
from gateway.control_plane.totals import Totals
from gateway.data_plane.failure import explanation
from gateway.ipc import events
from gateway.ipc.frames import FrameError
from gateway.ipc.stats import RouteStats, WorkerStats
from gateway.telemetry import metrics
from gateway.telemetry.logs import LogSink, Redactor
from gateway.telemetry.span_exporter import SpanExporter
from tests.fakes import configs
from tests.fakes.desks import memory_desk
from tests.fakes.feeds import FakeFeeds, generation
from tests.property.effort import effort
from tests.unit.gateway.control_plane.test_status import gateway_state

_TEXTS: Final = st.text(max_size=8) | st.sampled_from(["\ud800", "+Inf", "nan"])
_NUMBERS: Final = st.integers() | st.floats() | st.sampled_from([2**63, 10**400, 1e18, 1e308, -1.0])
_SCALARS: Final = st.none() | st.booleans() | _NUMBERS | _TEXTS
_VALUES: Final = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_ROUTE: Final = asdict(RouteStats(requests={"200": 1}, duration_buckets={"0.5": 1}))
_EVENTS: Final = (
    "late_alert",
    "unauthorized",
    "identity_expired",
    "caller_denied",
    "route_rejected",
    "session",
    "log",
    "x",
)
_FIELDS: Final = (
    "route",
    "reason",
    "alert",
    "cause",
    "generation",
    "level",
    "message",
    "count",
    "key",
    "host",
    "port",
)


def with_odd_value(plain: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A good document but for one value, which is of its type or of another."""
    likely: dict[type, st.SearchStrategy[Any]] = {
        str: _TEXTS,
        dict: st.dictionaries(_TEXTS, _NUMBERS, min_size=1, max_size=2),
    }
    return st.sampled_from(sorted(plain)).flatmap(
        lambda key: (likely.get(type(plain[key]), _NUMBERS) | _VALUES).map(
            lambda value: plain | {key: value}
        )
    )


def stats_documents() -> st.SearchStrategy[Any]:
    worker = asdict(WorkerStats(pid=1, snapshot=1))
    routes = st.dictionaries(st.just("planner"), with_odd_value(_ROUTE), min_size=1)
    of_routes = routes.map(lambda some: worker | {"routes": some})
    return of_routes | of_routes | with_odd_value(worker) | _VALUES


def event_documents() -> st.SearchStrategy[Any]:
    keys = st.sampled_from(_FIELDS) | _TEXTS
    fields = st.dictionaries(keys, _SCALARS, max_size=4)
    names = st.sampled_from(_EVENTS)
    return st.builds(lambda name, some: some | {"event": name}, names, fields) | _VALUES


@given(stats_documents().map(lambda value: json.dumps(value).encode()) | st.binary())
@example(b"[" * 100_000)
@example(b'{"pid":' + b"9" * 5000 + b"}")
@effort(500)
def test_numbers_are_refused_or_can_be_added_up_and_shown(payload: bytes) -> None:
    try:
        stats = WorkerStats.from_json(payload)
    except FrameError:
        return
    totals = Totals()
    totals.retire(stats)
    state = replace(gateway_state(), stats=totals.merged([stats]))
    assert json.dumps(status.document(state), allow_nan=False)
    assert metrics.exposition(numbers(state)).encode()


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    sink = LogSink(folder / "gw.log")
    made = Supervisor(
        configs.config(folder),
        Parts(
            version="1.2.3",
            feeds=FakeFeeds(first=generation()).feeds,
            load=lambda: configs.config(folder),
            journal=Journal(folder / "audit.jsonl", project="acme"),
            sink=sink,
            redactor=Redactor(),
            announce=lambda _text: None,
            meaning=explanation,
            exporter=SpanExporter({}, rng=random.Random(1)),
            open_desk=memory_desk,
        ),
    )
    yield made
    asyncio.run(made._audit.flush())
    sink.close()


@given(event_documents().map(lambda value: json.dumps(value).encode()) | st.binary())
@example(b'"x"')
@example(b'{"event":"log","message":"\\ud800","exc_info":1,"name":"x"}')
@effort(500)
def test_an_event_is_refused_or_acted_on(supervisor: Supervisor, payload: bytes) -> None:
    try:
        event = events.decode_event(payload)
    except FrameError:
        return
    supervisor._on_event(event)
