"""The devcontainer example, read and started by the official command line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.components import require_program
from tests.e2e.compose.conftest import StartProject
from tests.e2e.compose.project import Project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.program("devcontainer"),
    pytest.mark.timeout(180),
]

URL = "http://127.0.0.1:8701/mcp"


def _command() -> tuple[str, ...]:
    installed = require_program("devcontainer")
    script = installed / "node_modules/@devcontainers/cli/devcontainer.js"
    return str(require_program("node")), str(script)


def _run(project: Project, verb: str, *arguments: str) -> str:
    workspace = str(project.folder / "devcontainer")
    command = (*_command(), verb, "--workspace-folder", workspace)
    programs = ("--docker-path", "docker", "--docker-compose-path", "docker-compose")
    return project.engine.run(*command, *programs, *arguments, timeout=150, more=project.settings())


def _take_images_as_they_are(project: Project) -> None:
    """As if they came from a registry: otherwise they are built first, without any cache."""
    import yaml

    file = project.folder / "services.yaml"
    services = yaml.safe_load(file.read_text())["services"]
    for service in services.values():
        service.pop("build", None)
    file.write_text(yaml.safe_dump({"services": services}))


def _last_object(said: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


def test_a_developer_reaches_the_agent_from_inside(start: StartProject) -> None:
    project = start(prepared=False)
    _take_images_as_they_are(project)
    read = _last_object(_run(project, "read-configuration"))["configuration"]
    assert (read["service"], read["workspaceFolder"]) == ("workspace", "/workspace")
    assert read["otherPortsAttributes"] == {"onAutoForward": "ignore"}

    began = _last_object(_run(project, "up"))
    assert began["outcome"] == "success"
    said = _run(project, "exec", "sh", "-c", 'echo "$PLANNER_URL" "$NO_PROXY" "$HOME"; id -u')
    assert said.split() == [URL, "localhost,127.0.0.1,::1", "/home/workspace", "10001"]
    said = _run(project, "exec", "python3", "-m", "gateway.demo.local_agent", URL, "--seconds=0.1")
    assert re.search(r"^tools add, count; .* 0 failures$", said, re.MULTILINE)
    listed = _run(project, "exec", "find", "/workspace", "/run", "-name", "*token*")
    assert listed.strip() == ""
