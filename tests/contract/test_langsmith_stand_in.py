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
