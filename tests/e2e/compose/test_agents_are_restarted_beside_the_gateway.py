"""Agents can be restarted, killed and made anew beside a gateway that goes on."""

from __future__ import annotations

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


@pytest.mark.parametrize(
    "command",
    [
        ("restart", "--timeout", "1", "local-agent"),
        ("kill", "local-agent"),
        ("rm", "--force", "--stop", "local-agent"),
    ],
    ids=["restarted", "killed", "made anew"],
)
def test_the_gateway_goes_on(sidecar: Project, command: tuple[str, ...]) -> None:
    before = sidecar.inspect("gateway")["State"]
    sidecar.run(*command)
    sidecar.run("up", "--detach", "--no-build", "--no-deps", "local-agent")
    sidecar.work("http://127.0.0.1:8701/mcp")
    after = sidecar.inspect("gateway")["State"]
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
