"""A LangSmith server for tests: its projects and runs, for those who have a key that it knows.

Of runs it takes only what the real one can make a trace of; the field names are those that
LangSmith's own client sends.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any, Final

from tests.fakes.http_thread import HttpThread, Reply, Request

PERSONAL = "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"
SERVICE = "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"
WORKSPACE = "7d1a6f0e-0000-4000-8000-000000000001"
_PROJECT = {
    "id": "7d1a6f0e-0000-4000-8000-000000000002",
    "name": "planner",
    "tenant_id": WORKSPACE,
    "reference_dataset_id": None,
    "start_time": "2026-01-01T00:00:00",
}


_KINDS: Final = {"tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"}
_ORDER: Final = re.compile(r"(\d{8}T\d{12}Z)([0-9a-f-]{36})")
_FIELDS: Final = {
    *("id", "trace_id", "dotted_order", "name", "run_type", "session_name", "start_time"),
    *("end_time", "inputs", "outputs", "error", "tags", "extra", "serialized", "events"),
    *("parent_run_id", "session_id", "reference_example_id", "attachments"),
}
_MOST_RUNS: Final = 100


class LangSmithServer(HttpThread):
    """Knows a personal key of one workspace, and a service key of several.

    `runs` are those that were taken, by id; `replies` are given instead of taking any, in turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, dict[str, Any]] = {}
        self.replies: list[Reply] = []

    def answer(self, request: Request) -> Reply:
        if request.path == "/info":
            return Reply(body={"version": "0.0.0"})
        key, workspace = request.headers.get("x-api-key"), request.headers.get("x-tenant-id")
        if key not in {PERSONAL, SERVICE}:
            return Reply(status=401, body={"detail": "Invalid token"})
        if key == SERVICE and workspace != WORKSPACE:
            return Reply(status=403, body={"detail": "Forbidden"})
        if (request.method, request.path) == ("GET", "/sessions"):
            return Reply(body=[_PROJECT][: int(request.query.get("limit", "100"))])
        if (request.method, request.path) == ("POST", "/runs/batch"):
            return self.replies.pop(0) if self.replies else self._take(request.json)
        return Reply(status=404, body={"detail": "Not Found"})

    def _take(self, body: Any) -> Reply:
        try:
            assert set(body) <= {"post", "patch"}
            assert not body.get("patch")
            assert 0 < len(body["post"]) <= _MOST_RUNS
            for run in body["post"]:
                check_run(run)
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            return Reply(status=422, body={"detail": f"{type(error).__name__}: {error}"})
        if any(run["id"] in self.runs for run in body["post"]):
            return Reply(status=409, body={"detail": "Run already exists"})
        self.runs |= {run["id"]: run for run in body["post"]}
        return Reply(status=202, body={"message": "Runs batch ingested"})


def check_run(run: dict[str, Any]) -> None:
    """A root run that is over, as an AssertionError, LookupError or ValueError says it isn't."""
    assert set(run) <= _FIELDS, set(run) - _FIELDS
    assert str(uuid.UUID(run["id"])) == run["id"]
    assert run["trace_id"] == run["id"]
    assert run["run_type"] in _KINDS
    assert run["name"]
    assert run["session_name"]
    order = _ORDER.fullmatch(run["dotted_order"])
    assert order, run["dotted_order"]
    assert order[2] == run["id"]
    start, end = (datetime.fromisoformat(run[key]) for key in ("start_time", "end_time"))
    assert start <= end
    assert start.strftime("%Y%m%dT%H%M%S%fZ") == order[1]
    for key in ("inputs", "outputs", "extra"):
        assert isinstance(run[key], dict), key
