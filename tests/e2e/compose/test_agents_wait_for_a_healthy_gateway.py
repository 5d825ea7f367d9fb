"""A gateway without a certificate is not healthy and says why; it becomes so without a restart."""

from __future__ import annotations

import pytest

from tests.e2e.compose.conftest import StartProject
from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

_CHECK = (
    "sh",
    "-c",
    '"$@" 2>&1 || true',
    "sh",
    "devwiz-gw",
    "healthcheck",
    "--config",
    "/etc/devwiz-gw/devwiz-gw.toml",
)


def _said_by_healthcheck(project: Project) -> str:
    return project.shell("gateway", *_CHECK)


def test_agents_wait_for_a_healthy_gateway(start: StartProject) -> None:
    project = start()
    project.up("gateway", "remote-agent")
    project.wait("a healthy gateway", lambda: project.health("gateway") == "healthy")
    project.run("stop", "--timeout", "1", "issuer")
    project.run("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "gateway")
    project.wait("the reason", lambda: "not ready: identity" in _said_by_healthcheck(project))
    assert project.health("gateway") != "healthy"
    began = project.started("gateway")
    project.up("local-agent")
    assert project.health("gateway") == "healthy"
    assert project.started("gateway") == began
    project.work("http://127.0.0.1:8701/mcp")
