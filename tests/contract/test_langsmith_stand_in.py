"""What LangSmith's own client makes of the stand-in by which our check of keys is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.components import require_program
from tests.fakes.langsmith_server import PERSONAL, SERVICE, WORKSPACE, LangSmithServer

SCRIPT = """
import json, sys
from langsmith import Client

url, *cases = sys.argv[1:]
said = []
for case in cases:
    key, _, workspace = case.partition("@")
    client = Client(api_url=url, api_key=key, workspace_id=workspace or None,
                    auto_batch_tracing=False)
    try:
        said.append([project.name for project in client.list_projects(limit=1)])
    except Exception as error:
        said.append(type(error).__name__)
print(json.dumps(said))
"""


@pytest.mark.program("langsmith")
def test_the_python_client() -> None:
    folder = require_program("langsmith")
    cases = [PERSONAL, f"{SERVICE}@{WORKSPACE}", SERVICE, "lsv2_pt_of-nobody"]
    with LangSmithServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, server.url, *cases],
            env=os.environ | {"PYTHONPATH": str(folder), "LANGSMITH_TRACING": "false"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        asked = {(item.method, item.path) for item in server.requests}
    assert done.returncode == 0, done.stderr
    said: list[Any] = json.loads(done.stdout)
    assert said[:2] == [["planner"], ["planner"]]
    assert [isinstance(item, str) for item in said[2:]] == [True, True]
    assert said[3] == "LangSmithAuthError"
    assert ("GET", "/sessions") in asked


RUNS = """
import sys, uuid
from datetime import datetime, timezone
from langsmith import Client

url, key = sys.argv[1:]
client = Client(api_url=url, api_key=key, auto_batch_tracing=False)
run_id = uuid.UUID("018f0000-0000-7000-8000-000000000001")
at = datetime(2026, 3, 1, tzinfo=timezone.utc)
run = dict(id=run_id, trace_id=run_id, dotted_order=f"20260301T000000000000Z{run_id}",
           name="secret.use", run_type="tool", session_name="audit", start_time=at, end_time=at,
           inputs={"name": "x"}, outputs={"outcome": "ok"}, extra={"metadata": {}}, tags=["audit"])
for _ in range(2):
    client.batch_ingest_runs(create=[dict(run)])
"""


@pytest.mark.program("langsmith")
def test_runs_of_the_python_client() -> None:
    """It sends a run as we do, and takes the 409 of a second time for success."""
    folder = require_program("langsmith")
    with LangSmithServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", RUNS, server.url, PERSONAL],
            env=os.environ | {"PYTHONPATH": str(folder), "LANGSMITH_TRACING": "false"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        sent = [item for item in server.requests if item.path.startswith("/runs")]
        assert done.returncode == 0, done.stderr
        assert [item.path for item in sent] == ["/runs/batch", "/runs/batch"]
        assert [item.headers["x-api-key"] for item in sent] == [PERSONAL, PERSONAL]
        (run,) = server.runs.values()
    assert run["name"] == "secret.use"
